"""Simulated specimens: nuclei that do not overlap, in tissue.

Light is counted in photons per voxel: what the objective collects at the ground truth's exposure.
Lengths are in micrometres. Axes are Z, Y, X; Z is the depth below the stack's first plane, which
lies next to the objective.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import fft
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation
from scipy.special import ndtri

from denoising.specimens.species import Preparation, Species


@dataclass(frozen=True)
class Specimen:
    """A simulated specimen.

    Attributes
    ----------
    photons : ndarray of float32, (Z, Y, X)
        Photons per voxel at the ground truth's exposure, before attenuation, blur and detection.
    centres_um : ndarray of float64, (n, 3)
        Of the nuclei that reach into the volume, from the centre of its first voxel.
    radii_um : ndarray of float64, (n,)
        Radii of balls with the volumes of these nuclei.
    """

    photons: np.ndarray
    centres_um: np.ndarray
    radii_um: np.ndarray


def simulate_specimen(
    species: Species,
    shape: tuple[int, int, int],
    rng: np.random.Generator,
    preparation: Preparation | None = None,
) -> Specimen:
    """Make one specimen: nuclei that do not overlap, in tissue.

    Parameters
    ----------
    species : Species
    shape : tuple of int
        (Z, Y, X), voxels of the species' microscope.
    rng : numpy.random.Generator
    preparation : Preparation, optional
        The species' first by default.
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
    nearest = np.clip(centres, 0, (np.array(shape) - 1) * voxel)  # of the volume to each nucleus
    is_seen = np.linalg.norm(centres - nearest, axis=1) < radii
    photons = (species.photons * light).astype(np.float32)
    return Specimen(photons, centres[is_seen], radii[is_seen])


def _depth_below_surface(
    species: Species, shape: tuple[int, int, int], rng: np.random.Generator
) -> np.ndarray:
    """Depth of each voxel below the body's surface, um; negative outside, exact near it."""
    voxel = species.microscope.voxel_um
    z, y, x = np.ogrid[tuple(slice(n) for n in shape)]
    y = (y - shape[1] / 2) * voxel[1]
    x = (x - shape[2] / 2) * voxel[2]
    angle = rng.uniform(0, 2 * np.pi)
    across = rng.uniform(*species.aside)
    along = rng.uniform(-0.3, 0.3)
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
    share, scale = species.empty
    crowded = _noise(depth.shape, scale, voxel, rng) < ndtri(1 - share)
    indices = np.clip(np.rint(centres / voxel).astype(int), 0, np.array(depth.shape) - 1)
    nearest = tuple(indices.T)
    lowest, deepest = species.layer_um
    fits = crowded[nearest] & (depth[nearest] > lowest) & (depth[nearest] < deepest)
    order = np.flatnonzero(fits)
    order = order[np.argsort(-radii[order], kind="stable")]
    centres = centres[order]
    radii = radii[order]
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


def _noise(
    shape: tuple[int, ...],
    scale_um: float,
    voxel_um: Sequence[float] | np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
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


def _speckle(
    shape: tuple[int, ...],
    contrast: float,
    scale_um: float,
    voxel_um: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """A positive pattern of mean 1, whose logarithm is noise of standard deviation `contrast`."""
    return np.exp(contrast * _noise(shape, scale_um, voxel_um, rng) - contrast**2 / 2)
