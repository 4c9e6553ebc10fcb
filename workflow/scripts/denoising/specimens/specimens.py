"""Simulated specimens, imaged by simulated microscopes and packed as the published archives are.

An archive is a `.tar.gz` with one top folder in the layout of its species:

    Denoising_Planaria/                        Denoising_Tribolium/
      Readme.md  poster.png                      Readme.md  poster.png
      train_data/data_label.npz                  train_data/data_label.npz
      train_data/{GT,condition_1..3}/NAME.tif    test_data/NAME.tif
      test_data/{GT,condition_1..3}/NAME.tif

    planaria    ZYX; condition 1 is the CLEANEST. The training volumes are our addition.
    tribolium   CZYX, channels 0 to 2 conditions 1 to 3, channel 3 the ground truth;
                condition 1 is the NOISIEST.

TIFF files are uncompressed uint16 with axes in the metadata. `data_label.npz` holds X and Y,
float32 SCZYX (n, 1, *patch_shape), normalised, conditions and volumes mixed, and no `axes`.

Light is counted in photons per voxel: what the objective collects at the ground truth's exposure.
Lengths are in micrometres. Axes are Z, Y, X; Z is the depth below the stack's first plane, which
lies next to the objective.
"""

import gzip
import os
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from PIL import Image
from scipy import fft
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation
from scipy.special import j0, j1, ndtri

from denoising.images.volumes import write_volume
from denoising.running.random_streams import specimen_stream
from denoising.training.patches import cut_patches

EPOCH = 315532800  # 1980-01-01, the earliest date that a zip file can give: that of every entry
TRAINING_NUMBERS = 1000  # added to the numbers in names of training volumes, to tell them apart
CONDITIONS = ("condition_1", "condition_2", "condition_3")


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
        excitation, emission = (2 * np.pi / w for w in (self.excitation_um, self.emission_um))
        aperture, index, r = self.numerical_aperture, self.refractive_index, self.pinhole_radius_um
        c = emission * aperture * r
        a, b = j0(c), j1(c)
        open_part = a**2 + b**2 - 1
        lateral = (excitation * aperture) ** 2 + (4 * c * a * b - 8 * b**2) / (r**2 * open_part)
        axial = (excitation * aperture**2 / index) ** 2 - (
            48 * c**2 * (a**2 + b**2) - 192 * b**2
        ) / ((index * emission) ** 2 * r**4 * open_part)
        return np.sqrt([24 / axial, 2 / lateral, 2 / lateral])


@dataclass(frozen=True)
class Preparation:
    """How specimens were made ready; with what it changes against the species' own values."""

    stem: str  # of file names; {} takes the number
    first: int = 1  # the first number
    brightness: float = 1.0  # of the nuclei
    background: float = 1.0  # of the light beside the nuclei


@dataclass(frozen=True)
class Species:
    """A labelled specimen, and how it was imaged. Light is relative to a typical nucleus."""

    name: str
    archive: str  # the top folder
    layout: str  # "folders", one a condition, or "stacks", a channel a condition
    microscope: Microscope
    preparations: tuple[Preparation, ...]  # volumes take turns
    exposures: tuple[float, float, float]  # of conditions 1 to 3, as a share of the ground truth's
    photons: float  # per voxel of a typical nucleus at the stack's first plane, at exposure 1
    # the body: an ellipsoid, nearly flat on the scale of a stack
    body_um: tuple[float, float, float]  # semi-axes along Z, across and along
    aside: tuple[float, float]  # where the stack lies across the body, in semi-axes
    surface: tuple[float, float]  # where it crosses mid-field, in depths of the stack
    roughness_um: float
    # the nuclei
    radii_um: tuple[float, ...]
    radii_share: tuple[float, ...]
    elongation: float  # longest axis over shortest, at most
    gap_um: float  # least distance between nuclei
    attempts_per_um3: float  # nuclei that try to find a place
    layer_um: tuple[float, float]  # below the surface, where nuclei have their centres
    empty: tuple[float, float]  # share of tissue without nuclei, and grain, um
    spread: float  # of brightness among nuclei: standard deviation of its logarithm
    condensed: tuple[float, float]  # share of dividing nuclei, and their brightness
    texture: tuple[float, float]  # of chromatin: standard deviation of its logarithm, and grain, um
    # light beside the nuclei
    cytoplasm: float
    core: float  # the same deeper than `core_um` below the surface
    core_um: float
    mottle: tuple[float, float]  # of that light, as texture
    attenuation_um: float  # depth over which excitation and emission together fall to 1/e
    aberration: float  # width of the PSF in tissue over that of diffraction alone


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

# Sizes and brightness are of the order seen in such specimens, and set so that inputs score about
# as the published ones do. An uneven refractive index widens the PSF; how much is assumed.
SPECIES = {
    # A flat worm, seen at its margin. Small nuclei (4 to 7 um) of stem cells and their progeny
    # crowd the parenchyma; gut branches have few. A DNA dye shows the grain of chromatin, and
    # dividing nuclei as far brighter than others. Pigment and scatter dim the image within a few
    # cell layers. Living tissue takes up less dye and keeps more of it outside nuclei than fixed,
    # washed tissue.
    "planaria": Species(
        name="planaria",
        archive="Denoising_Planaria",
        layout="folders",
        microscope=SPINNING_DISK,
        preparations=(
            Preparation("EXP278_Smed_fixed_RedDot1_sub_5_N7_m{:04d}"),
            Preparation(
                "EXP280_Smed_live_RedDot1_sub_5_N7_m{:04d}", brightness=0.8, background=1.5
            ),
        ),
        exposures=(1 / 30, 1 / 60, 1 / 150),  # about the 60-fold less light of the CARE paper
        photons=350.0,
        body_um=(100.0, 300.0, 2000.0),
        aside=(0.72, 0.88),
        surface=(0.0, 0.3),
        roughness_um=1.5,
        radii_um=(3.5, 2.7, 2.1),
        radii_share=(0.2, 0.5, 0.3),
        elongation=1.25,
        gap_um=0.1,
        attempts_per_um3=0.06,
        layer_um=(2.0, np.inf),
        empty=(0.15, 12.0),
        spread=0.4,
        condensed=(0.02, 3.0),
        texture=(0.35, 0.6),
        cytoplasm=0.06,
        core=0.06,
        core_um=np.inf,
        mottle=(0.3, 4.0),
        attenuation_um=35.0,
        aberration=1.5,
    ),
    # An egg whose surface curves through the stack: a shell of large smooth nuclei (8 to 10 um),
    # one or two deep, around yolk that glows by itself and scatters. The label is expressed
    # unevenly, but leaves a nucleus that divides, so none is far brighter. Exposures are the laser
    # powers in the file names.
    "tribolium": Species(
        name="tribolium",
        archive="Denoising_Tribolium",
        layout="stacks",
        microscope=POINT_SCANNING,
        preparations=(Preparation("nGFP_0.1_0.2_0.5_20_{}_late", first=13),),
        exposures=(0.1 / 20, 0.2 / 20, 0.5 / 20),
        photons=900.0,
        body_um=(150.0, 150.0, 300.0),
        aside=(-0.3, 0.3),
        surface=(-0.1, 0.2),
        roughness_um=0.8,
        radii_um=(5.2, 4.6, 4.0),
        radii_share=(0.2, 0.4, 0.4),
        elongation=1.25,
        gap_um=0.5,
        attempts_per_um3=0.04,
        layer_um=(5.0, 15.0),
        empty=(0.05, 20.0),
        spread=0.4,
        condensed=(0.0, 1.0),
        texture=(0.12, 1.2),
        cytoplasm=0.06,
        core=0.15,
        core_um=18.0,
        mottle=(0.5, 3.0),
        attenuation_um=50.0,
        aberration=2.0,
    ),
}


# Specimens


def simulate_specimen(
    species: Species,
    shape: tuple[int, int, int],
    rng: np.random.Generator,
    preparation: Preparation | None = None,
) -> np.ndarray:
    """Make one specimen: nuclei that do not overlap, in tissue.

    Parameters
    ----------
    species : Species
    shape : tuple of int
        (Z, Y, X), voxels of the species' microscope.
    rng : numpy.random.Generator
    preparation : Preparation, optional
        The species' first by default.

    Returns
    -------
    ndarray of float32, `shape`
        Photons per voxel at the ground truth's exposure, before attenuation, blur and detection.
    """
    preparation = preparation or species.preparations[0]
    voxel = np.array(species.microscope.voxel_um)
    depth = _depth_below_surface(species, shape, rng)
    centres, radii = _place_nuclei(species, depth, rng)
    nuclei = _draw_nuclei(species, shape, centres, radii, rng)
    nuclei *= _speckle(shape, *species.texture, voxel, rng)
    inside = np.clip(0.5 + depth / voxel[0], 0, 1)
    yolk = np.clip((depth - species.core_um) / 4 + 0.5, 0, 1)  # passes into tissue over some 4 um
    tissue = inside * (species.cytoplasm + (species.core - species.cytoplasm) * yolk)
    tissue *= _speckle(shape, *species.mottle, voxel, rng)
    light = preparation.brightness * nuclei + preparation.background * tissue
    return (species.photons * light).astype(np.float32)


def _depth_below_surface(
    species: Species, shape: tuple[int, int, int], rng: np.random.Generator
) -> np.ndarray:
    """Depth of each voxel below the body's surface, um; negative outside, exact near it."""
    voxel = species.microscope.voxel_um
    z, y, x = np.ogrid[tuple(slice(n) for n in shape)]
    y, x = (y - shape[1] / 2) * voxel[1], (x - shape[2] / 2) * voxel[2]
    angle = rng.uniform(0, 2 * np.pi)
    across, along = rng.uniform(*species.aside), rng.uniform(-0.3, 0.3)
    top = rng.uniform(*species.surface) * shape[0] * voxel[0]
    centre = top + species.body_um[0] * np.sqrt(1 - across**2 - along**2)
    half_z, half_u, half_v = species.body_um
    u = across + (x * np.cos(angle) + y * np.sin(angle)) / half_u
    v = along + (y * np.cos(angle) - x * np.sin(angle)) / half_v
    w = (z * voxel[0] - centre) / half_z
    radius = np.sqrt(u**2 + v**2 + w**2)
    slope = np.sqrt((u / half_u) ** 2 + (v / half_v) ** 2 + (w / half_z) ** 2) / radius
    return (1 - radius) / slope + species.roughness_um * _noise(shape, 8.0, voxel, rng)


def _place_nuclei(
    species: Species, depth: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Centres (n, 3), mean radii (n,) of nuclei, um: random sequential addition, largest first."""
    voxel = np.array(species.microscope.voxel_um)
    margin = max(species.radii_um)  # nuclei half in the stack are seen
    size = depth.shape * voxel + 2 * margin
    n = rng.poisson(species.attempts_per_um3 * size.prod())
    centres = rng.uniform(0, size, (n, 3)) - margin
    radii = rng.choice(species.radii_um, n, p=species.radii_share)
    nearest = np.clip(np.rint(centres / voxel).astype(int), 0, np.array(depth.shape) - 1)
    share, scale = species.empty
    crowded = _noise(depth.shape, scale, voxel, rng) < ndtri(1 - share)
    nearest = tuple(nearest.T)
    lowest, deepest = species.layer_um
    fits = crowded[nearest] & (depth[nearest] > lowest) & (depth[nearest] < deepest)
    order = np.flatnonzero(fits)
    order = order[np.argsort(-radii[order], kind="stable")]
    centres, radii = centres[order], radii[order]
    kept = _without_overlaps(centres, radii * np.cbrt(species.elongation) ** 2, species.gap_um)
    return centres[kept], radii[kept]


def _without_overlaps(centres: np.ndarray, reach: np.ndarray, gap: float) -> np.ndarray:
    """Which spheres stay (boolean, (n,)) if each removes all later ones closer than `gap`."""
    pairs = cKDTree(centres).query_pairs(2 * reach.max(initial=0) + gap, output_type="ndarray")
    distance = np.linalg.norm(centres[pairs[:, 0]] - centres[pairs[:, 1]], axis=1)
    pairs = pairs[distance < reach[pairs].sum(axis=1) + gap]
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    starts = np.searchsorted(pairs[:, 0], np.arange(len(centres) + 1))
    kept = np.ones(len(centres), bool)
    for i in range(len(centres)):
        if kept[i]:
            kept[pairs[starts[i] : starts[i + 1], 1]] = False
    return kept


def _draw_nuclei(
    species: Species,
    shape: tuple[int, int, int],
    centres: np.ndarray,
    radii: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw ellipsoids in random directions, light relative to a typical nucleus (float32)."""
    voxel = np.array(species.microscope.voxel_um)
    n = len(radii)
    stretch = rng.uniform(1, species.elongation, n)
    axes = radii[:, None] * stretch[:, None] ** np.array([2 / 3, -1 / 3, -1 / 3])  # of one volume
    turns = Rotation.random(n, rng).as_matrix() if n else np.empty((0, 3, 3))
    forms = np.einsum("nki,nk,nkj->nij", turns, axes**-2.0, turns)  # x' form x = 1 on the surface
    share, gain = species.condensed
    light = rng.lognormal(0, species.spread, n) * np.where(rng.random(n) < share, gain, 1)
    image = np.zeros(shape, np.float32)
    for centre, reach, form, level in zip(centres, axes.max(1), forms, light, strict=True):
        first = np.maximum(np.floor((centre - reach) / voxel).astype(int), 0)
        last = np.minimum(np.ceil((centre + reach) / voxel).astype(int) + 1, shape)
        if (first < last).all():
            window = tuple(map(slice, first, last))
            image[window] += level * _share_within(window, centre, form, voxel)
    return image


def _share_within(
    window: tuple[slice, ...], centre: np.ndarray, form: np.ndarray, voxel: np.ndarray
) -> np.ndarray:
    """Share of each voxel in `window` in an ellipsoid x' form x < 1, its surface taken as flat."""
    x = [a * h - c for a, h, c in zip(np.ogrid[window], voxel, centre, strict=True)]
    slopes = [row[0] * x[0] + row[1] * x[1] + row[2] * x[2] for row in form]
    radius = np.sqrt(sum(s * d for s, d in zip(slopes, x, strict=True))) + 1e-6  # 1 on the surface
    extent = sum(abs(s) * h for s, h in zip(slopes, voxel, strict=True)) / radius  # of a voxel
    return np.clip(0.5 + (1 - radius) / (extent + 1e-6), 0, 1)


def _noise(shape: tuple, scale_um: float, voxel_um: Sequence[float], rng) -> np.ndarray:
    """Noise of variance 1 (float32), smoothed by a Gaussian of standard deviation `scale_um`."""
    sigma = [scale_um / v for v in voxel_um]
    # the transform is periodic: what is added keeps opposite faces apart
    padded = [fft.next_fast_len(n + int(3 * s)) for n, s in zip(shape, sigma, strict=True)]
    noise = fft.rfftn(rng.standard_normal(padded, dtype=np.float32))
    power = 1.0
    for axis, (n, s) in enumerate(zip(padded, sigma, strict=True)):
        response = np.exp(-2 * (np.pi * s * fft.fftfreq(n)) ** 2).astype(np.float32)
        power *= np.mean(response**2)
        noise *= np.expand_dims(response[: noise.shape[axis]], [a for a in range(3) if a != axis])
    smooth = fft.irfftn(noise, padded)[tuple(slice(n) for n in shape)]
    return smooth / np.float32(np.sqrt(power))


def _speckle(shape: tuple, contrast: float, scale_um: float, voxel_um, rng) -> np.ndarray:
    """A positive pattern of mean 1, whose logarithm is noise of standard deviation `contrast`."""
    return np.exp(contrast * _noise(shape, scale_um, voxel_um, rng) - contrast**2 / 2)


# Microscopes


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


# Archives


def simulate_archive(
    path: Path,
    *,
    species: str,
    shape: tuple[int, int, int],
    train_volumes: int,
    test_volumes: int,
    patch_shape: tuple[int, int, int],
    patches: int,
    seed: int,
) -> None:
    """Write an archive of simulated data, in the published layout of its species.

    Every volume is a specimen of its own, drawn from `seed` and its number alone. Patches are
    spread evenly over training volumes and conditions, then shuffled. One volume's images are in
    memory at a time.

    Parameters
    ----------
    path : Path
        Written, a `.tar.gz`, complete or not at all. Equal arguments give equal bytes.
    species : {"planaria", "tribolium"}
    shape, patch_shape : tuple of int
        (Z, Y, X), voxels, of every volume and of every training patch.
    train_volumes, test_volumes, patches : int
        How many, at least 1.
    seed : int
        At least 0.

    Raises
    ------
    ValueError
        If an argument is not of the kind above, or a patch does not fit a volume.
    """
    path = Path(path)
    counts = {"train_volumes": train_volumes, "test_volumes": test_volumes, "patches": patches}
    _check(path, species, shape, patch_shape, counts, seed)
    shape, patch_shape = tuple(map(int, shape)), tuple(map(int, patch_shape))
    kind = SPECIES[species]
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as scratch:
        top = Path(scratch, kind.archive)
        _write_training(top / "train_data", kind, shape, train_volumes, patch_shape, patches, seed)
        for i in range(test_volumes):
            name, stack = _acquired_volume(kind, shape, "test", i, seed)
            _write_acquired(top / "test_data", kind, name, stack)
            if i == 0:
                Image.fromarray(_poster(stack)).save(top / "poster.png")
        (top / "Readme.md").write_text(_readme(kind, shape, patch_shape, counts, seed))
        _pack(top, Path(scratch, "packed"))
        os.replace(Path(scratch, "packed"), path)


def _check(
    path: Path, species: str, shape: tuple, patch_shape: tuple, counts: dict, seed: int
) -> None:
    def refuse(what: str, found, expected: str, remedy: str) -> None:
        raise ValueError(f"{path}: {what} is {found!r}, expected {expected}; {remedy}.")

    def whole(value, least: int) -> bool:
        integer = isinstance(value, int | np.integer) and not isinstance(value, bool)
        return integer and value >= least

    if species not in SPECIES:
        refuse("species", species, f"one of {', '.join(SPECIES)}", "correct the name")
    for what, sizes in (("shape", shape), ("patch_shape", patch_shape)):
        if (
            not isinstance(sizes, Sequence)
            or len(sizes) != 3
            or not all(whole(n, 1) for n in sizes)
        ):
            expected = "three whole numbers of voxels (Z, Y, X)"
            refuse(what, sizes, expected, "give it as, say, (16, 64, 64)")
    if any(p > n for p, n in zip(patch_shape, shape, strict=True)):
        expected = f"at least patch_shape {patch_shape!r} along every axis"
        refuse("shape", shape, expected, "enlarge it, or cut smaller patches")
    for what, count in counts.items():
        if not whole(count, 1):
            refuse(what, count, "a whole number of at least 1", "ask for one or more")
    if not whole(seed, 0):
        refuse("seed", seed, "a whole number of at least 0", "give such a seed")


def _acquired_volume(
    species: Species, shape: tuple[int, int, int], part: str, i: int, seed: int
) -> tuple[str, np.ndarray]:
    """Name and images of volume `i`: uint16 (4, Z, Y, X), conditions 1 to 3 and ground truth."""
    turn, which = divmod(i, len(species.preparations))
    preparation = species.preparations[which]
    number = preparation.first + turn + (TRAINING_NUMBERS if part == "train" else 0)
    rng = specimen_stream(seed, species.name, part, i)
    photons = simulate_specimen(species, shape, rng, preparation)
    return preparation.stem.format(number), acquire(photons, species, (*species.exposures, 1), rng)


def _write_acquired(folder: Path, species: Species, name: str, stack: np.ndarray) -> None:
    if species.layout == "stacks":
        write_volume(folder / f"{name}.tif", stack, "CZYX")
        return
    for source, volume in zip((*CONDITIONS, "GT"), stack, strict=True):
        write_volume(folder / source / f"{name}.tif", volume, "ZYX")


def _write_training(
    folder: Path,
    species: Species,
    shape: tuple[int, int, int],
    volumes: int,
    patch_shape: tuple[int, int, int],
    patches: int,
    seed: int,
) -> None:
    """Write data_label.npz and, in the folders layout, the volumes its patches are cut from."""
    folder.mkdir(parents=True)
    X, Y = (
        open_memmap(folder / name, "w+", np.float32, (patches, 1, *patch_shape))
        for name in ("X.npy", "Y.npy")
    )
    order = specimen_stream(seed, species.name, "order").permutation(patches)
    images_in_all = volumes * len(CONDITIONS)
    limits = iter(np.arange(images_in_all + 1) * patches // images_in_all)
    start = next(limits)
    for i in range(volumes):
        name, stack = _acquired_volume(species, shape, "train", i, seed)
        if species.layout == "folders":
            _write_acquired(folder, species, name, stack)
        for condition, image in zip(CONDITIONS, stack[:-1], strict=True):
            stop = next(limits)
            if stop > start:
                rng = specimen_stream(seed, species.name, "patches", i, condition)
                try:
                    cut = cut_patches(stack[-1], image, patch_shape, int(stop - start), rng)
                except ValueError as error:
                    raise ValueError(
                        f"simulated training volume {i}, {shape}: {error} Or enlarge shape, or"
                        " change the seed."
                    ) from None
                X[order[start:stop], 0], Y[order[start:stop], 0] = cut
            start = stop
    X.flush()
    Y.flush()
    _join_npz(folder / "data_label.npz", [folder / "X.npy", folder / "Y.npy"])


def _join_npz(target: Path, arrays: list[Path]) -> None:
    """Move .npy files into an npz file as np.savez writes them, undated and never in memory."""
    with zipfile.ZipFile(target, "w") as npz:
        for array in arrays:
            entry = zipfile.ZipInfo(array.name)  # of 1980-01-01
            entry.create_system = 3  # the same on every platform
            with array.open("rb") as source, npz.open(entry, "w", force_zip64=True) as file:
                shutil.copyfileobj(source, file)
            array.unlink()


def _poster(stack: np.ndarray) -> np.ndarray:
    """Middle planes of conditions 1 to 3 and the ground truth, side by side (uint8)."""
    planes = stack[:, stack.shape[1] // 2].astype(np.float32)
    low, high = (np.percentile(planes, q, axis=(1, 2), keepdims=True) for q in (1, 99.8))
    grey = np.clip((planes - low) / np.maximum(high - low, 1), 0, 1)
    return np.concatenate(np.rint(255 * grey).astype(np.uint8), axis=1)


LAYOUTS = {
    "folders": (
        """\
- `test_data/{GT,condition_1,condition_2,condition_3}/*.tif`: ZYX, uint16, the same names in every
  folder. Condition 1 is the cleanest, 3 the noisiest.
- `train_data/{GT,condition_1,condition_2,condition_3}/*.tif`: the volumes that the patches were cut
  from, likewise. They are an addition: the published archive has none."""
    ),
    "stacks": (
        """\
- `test_data/*.tif`: CZYX, uint16. Channels 0, 1, 2 are conditions 1, 2, 3; channel 3 is the ground
  truth. Condition 1 is the noisiest, 3 the cleanest."""
    ),
}


def _readme(species: Species, shape: tuple, patch_shape: tuple, counts: dict, seed: int) -> str:
    scope = species.microscope
    exposures = ", ".join(f"1/{round(1 / share)}" for share in species.exposures)
    return f"""# {species.archive}: simulated

These data are SIMULATED, in the layout of the published archive of this name: nothing was imaged.

- `train_data/data_label.npz`: X (low SNR) and Y (ground truth), float32, axes SCZYX;
  {counts["patches"]} patches of {patch_shape}, normalised by percentiles, conditions mixed.
{LAYOUTS[species.layout]}
- `poster.png`: one plane of conditions 1, 2, 3 and of the ground truth.

Volumes: {counts["train_volumes"]} to train on, {counts["test_volumes"]} to test on, of {shape} \
voxels.
Voxels: {scope.voxel_um} um (Z, Y, X).
Exposures of conditions 1, 2, 3: {exposures} of the ground truth's.
Microscope: {scope.name}.
Seed: {seed}.
"""


def _pack(top: Path, target: Path) -> None:
    """Pack folder `top` into a gzipped tar file: sorted, and without date, owner or file name."""

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = EPOCH, 0, 0, "", ""
        entry.mode = 0o755 if entry.isdir() else 0o644
        return entry

    with (
        target.open("wb") as file,
        # level 1: shot noise hardly compresses, however long one tries
        gzip.GzipFile("", "wb", 1, file, EPOCH) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for entry in (top, *sorted(top.rglob("*"))):
            tar.add(entry, entry.relative_to(top.parent).as_posix(), recursive=False, filter=plain)
