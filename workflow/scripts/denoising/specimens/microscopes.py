"""Simulated microscopes: optics, detectors and their values."""

from dataclasses import dataclass

import numpy as np
from scipy.special import j0, j1


@dataclass(frozen=True)
class Microscope:
    """A confocal microscope and its detector. Electrons are counted before multiplication."""

    name: str
    voxel_um: tuple[float, float, float]
    numerical_aperture: float
    refractive_index: float  # of immersion and specimen
    excitation_um: float
    emission_um: float
    pinhole_radius_um: float  # projected back into the specimen
    crosstalk: float  # light through neighbouring pinholes, as a share of the light in focus
    crosstalk_um: float  # standard deviation of the defocused light that makes the crosstalk
    quantum_efficiency: float  # electrons per photon
    excess_noise: float  # variance after multiplication over that of shot noise alone (F squared)
    dark_electrons: float  # per voxel: dark current and spurious charge
    read_noise_electrons: float  # standard deviation
    electrons_per_adu: float
    offset_adu: float

    def psf_um(self) -> np.ndarray:
        """Standard deviations (Z, Y, X) of the Gaussian that is closest to the confocal PSF.

        Paraxial, for laser- and disk-scanning confocals, by pinhole size. Source: Zhang, Zerubia
        and Olivo-Marin, Applied Optics 46, 1819 (2007), tables 2 and 3.
        """
        excitation = 2 * np.pi / self.excitation_um
        emission = 2 * np.pi / self.emission_um
        aperture = self.numerical_aperture
        index = self.refractive_index
        r = self.pinhole_radius_um
        c = emission * aperture * r
        a = j0(c)
        b = j1(c)
        open_part = a**2 + b**2 - 1
        lateral = (excitation * aperture) ** 2 + (4 * c * a * b - 8 * b**2) / (r**2 * open_part)
        axial = (excitation * aperture**2 / index) ** 2 - (
            48 * c**2 * (a**2 + b**2) - 192 * b**2
        ) / ((index * emission) ** 2 * r**4 * open_part)
        return np.sqrt([24 / axial, 2 / lateral, 2 / lateral])


# A disk with 50 um pinholes 250 um apart, a 20x immersion objective and an EMCCD of 16 um pixels:
# hence pinhole and pixel. (50 / 250)**2 = 4 % of the light of a plane out of focus passes other
# pinholes; from the ten planes or so within `crosstalk_um` that makes 0.4. A long multiplication
# register doubles the variance (Robbins and Hadwen, IEEE Trans. Electron Devices 50, 1227, 2003),
# and read noise, divided by the multiplication, is less than an electron.
SPINNING_DISK = Microscope(
    name="spinning disk confocal, 20x/0.75 immersion, EMCCD",
    voxel_um=(2.0, 0.8, 0.8),
    numerical_aperture=0.75,
    refractive_index=1.33,
    excitation_um=0.640,
    emission_um=0.695,  # RedDot1, far red
    pinhole_radius_um=1.25,
    crosstalk=0.4,
    crosstalk_um=8.0,
    quantum_efficiency=0.9,
    excess_noise=2.0,
    dark_electrons=0.01,
    read_noise_electrons=0.3,
    electrons_per_adu=0.08,
    offset_adu=200.0,
)

# A single pinhole of one Airy unit (radius 0.61 wavelengths over aperture), so no crosstalk, and a
# photomultiplier: it counts fewer photons, dynodes of gain 5 raise the variance by 5 / (5 - 1), and
# electronic noise is far less than an electron (Pawley, Handbook of Biological Confocal
# Microscopy).
POINT_SCANNING = Microscope(
    name="point scanning confocal, 25x/0.8 immersion, photomultiplier",
    voxel_um=(2.0, 1.0, 1.0),
    numerical_aperture=0.8,
    refractive_index=1.33,
    excitation_um=0.488,
    emission_um=0.509,  # nuclear GFP, as the published file names have it
    pinhole_radius_um=0.39,
    crosstalk=0.0,
    crosstalk_um=0.0,
    quantum_efficiency=0.3,
    excess_noise=1.25,
    dark_electrons=0.02,
    read_noise_electrons=0.05,
    electrons_per_adu=0.03,
    offset_adu=50.0,
)


def detect(electrons: np.ndarray, microscope: Microscope, rng: np.random.Generator) -> np.ndarray:
    """Count expected photoelectrons as the microscope's detector does.

    Parameters
    ----------
    electrons : ndarray
        Expected number per voxel, before multiplication.
    microscope : Microscope
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of uint16
        ADU, of the same shape.
    """
    counts = rng.poisson(electrons + microscope.dark_electrons).astype(np.float32)
    excess = microscope.excess_noise - 1
    if excess > 0:
        counts = rng.standard_gamma(counts / excess, dtype=np.float32) * excess
    noise = rng.standard_normal(counts.shape, dtype=np.float32)
    counts += microscope.read_noise_electrons * noise
    adu = microscope.offset_adu + counts / microscope.electrons_per_adu
    return np.rint(np.clip(adu, 0, 65535)).astype(np.uint16)
