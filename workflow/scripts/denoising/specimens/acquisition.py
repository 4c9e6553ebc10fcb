"""Simulated imaging: light in tissue, optics and detection."""

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter

from denoising.specimens.microscopes import detect
from denoising.specimens.species import Species


def acquire(
    photons: np.ndarray, species: Species, exposures: Sequence[float], rng: np.random.Generator
) -> np.ndarray:
    """Image one specimen with the species' microscope, once for each exposure.

    Light fades with depth as exp(-z / attenuation_um), is blurred by the confocal PSF and a disk's
    crosstalk, and makes photoelectrons, a Poisson number. Their multiplication is a gamma variate
    of the same mean (at an excess noise of 2 the law of Basden, Haniff and Mackay, MNRAS 345, 985,
    2003). Read noise, gain and offset follow.

    Parameters
    ----------
    photons : ndarray, (Z, Y, X)
        Photons per voxel at exposure 1.
    species : Species
    exposures : sequence of float
        Laser power times time, as a share of the ground truth's.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of uint16, (len(exposures), Z, Y, X)
        ADU.
    """
    microscope = species.microscope
    z = np.arange(len(photons))[:, None, None] * microscope.voxel_um[0]
    light = (photons * np.exp(-z / species.attenuation_um)).astype(np.float32)
    voxel = np.array(microscope.voxel_um)
    image = gaussian_filter(light, species.aberration * microscope.psf_um() / voxel)
    if microscope.crosstalk:
        defocused = gaussian_filter(light, microscope.crosstalk_um / voxel, truncate=3)
        image += microscope.crosstalk * defocused
    electrons = microscope.quantum_efficiency * image
    return np.stack([detect(share * electrons, microscope, rng) for share in exposures])
