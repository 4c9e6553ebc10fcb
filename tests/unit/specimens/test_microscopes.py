"""Optics of simulated microscopes against known limits."""

from dataclasses import replace

import numpy as np

from denoising.specimens.species import SPECIES


def test_psf_has_the_limits_of_a_closed_and_of_an_open_pinhole():
    scope = SPECIES["planaria"].microscope
    k = 2 * np.pi * scope.numerical_aperture / np.array([scope.excitation_um, scope.emission_um])
    depth_of_focus = np.sqrt(12) * scope.refractive_index / scope.numerical_aperture
    closed, opened = replace(scope, pinhole_radius_um=0.01), replace(scope, pinhole_radius_um=30)
    lateral = np.sqrt(2) / np.hypot(*k)
    np.testing.assert_allclose(closed.psf_um()[1:], lateral, rtol=0.01)
    np.testing.assert_allclose(closed.psf_um()[0], lateral * depth_of_focus, rtol=0.01)
    lateral = np.sqrt(2) / k[0]  # excitation alone
    np.testing.assert_allclose(opened.psf_um()[1:], lateral, rtol=0.01)
    np.testing.assert_allclose(opened.psf_um()[0], lateral * depth_of_focus, rtol=0.01)
