"""Simulated imaging: light in tissue, optics and detection."""

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter

from denoising.specimens.microscopes import Microscope
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
    scope = species.microscope
    z = np.arange(len(photons))[:, None, None] * scope.voxel_um[0]
    light = (photons * np.exp(-z / species.attenuation_um)).astype(np.float32)
    voxel = np.array(scope.voxel_um)
    image = gaussian_filter(light, species.aberration * scope.psf_um() / voxel)
    if scope.crosstalk:
        image += scope.crosstalk * gaussian_filter(light, scope.crosstalk_um / voxel, truncate=3)
    electrons = scope.quantum_efficiency * image
    return np.stack([_detect(share * electrons, scope, rng) for share in exposures])


def _detect(electrons: np.ndarray, scope: Microscope, rng: np.random.Generator) -> np.ndarray:
    counts = rng.poisson(electrons + scope.dark_electrons).astype(np.float32)
    excess = scope.excess_noise - 1
    if excess > 0:
        counts = rng.standard_gamma(counts / excess, dtype=np.float32) * excess
    counts += scope.read_noise_electrons * rng.standard_normal(counts.shape, dtype=np.float32)
    adu = scope.offset_adu + counts / scope.electrons_per_adu
    return np.rint(np.clip(adu, 0, 65535)).astype(np.uint16)
