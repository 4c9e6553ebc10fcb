"""Nuclei that a restoration shows, loses and invents, against the true ones.

Nuclei are found as blobs of one size, in images fitted to the ground truth as scores are. A found
nucleus is right if its centre lies within the radius of a true one; each true one is found once.

True nuclei are those that were simulated. Where nobody knows them, those found in the ground truth
count as true.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from denoising.evaluation.compared_images import compared_images
from denoising.evaluation.detection import Blobs, find_blobs
from denoising.evaluation.moments import least_squares_fit, moments_of
from denoising.evaluation.protocols import TRUTH_PERCENTILES
from denoising.images.percentiles import normalisation
from denoising.images.volumes import Pair

# Contrasts, in fractions of the ground truth's range, from all that is found to next to nothing
THRESHOLDS = np.geomspace(1e-4, 1, 81)
OUTSIDE = -1  # label of a found nucleus that is matched to one centred beyond the image
WRONG = 0
RIGHT = 1


@dataclass(frozen=True)
class Detector:
    """The blobs that count as nuclei.

    Attributes
    ----------
    diameter_um : float
        Diameter of a typical nucleus.
    voxel_um : tuple of float
        Size of a voxel along each axis of the images.
    contrast : float
        Least contrast of the nuclei found in a ground truth, where they are the true ones, as a
        fraction of its range.
    """

    diameter_um: float
    voxel_um: tuple[float, ...]
    contrast: float


@dataclass(frozen=True)
class Nuclei:
    """True nuclei: `centres_um` (n, axes) from the centre of the first voxel, `radii_um` (n,)."""

    centres_um: np.ndarray
    radii_um: np.ndarray


@dataclass(frozen=True)
class Matches:
    """The nuclei that a method shows in one volume, matched with the true ones.

    Attributes
    ----------
    volume : str
    contrasts : ndarray of float64, (n,)
        Contrasts of the found nuclei, in fractions of the ground truth's range, highest first.
    labels : ndarray of int, (n,)
        RIGHT, WRONG or OUTSIDE.
    count : int
        True nuclei with their centre in the image.
    intensities : ndarray of float64, (2, count)
        Means over the ball of each true nucleus: of the normalised ground truth, and of the
        method's image as it is.
    """

    volume: str
    contrasts: np.ndarray
    labels: np.ndarray
    count: int
    intensities: np.ndarray


def known_nuclei(listing: pd.DataFrame, volume: str, voxel_um: Sequence[float]) -> Nuclei:
    """The nuclei of one volume, of the `nuclei.csv` of a folder of volumes."""
    rows = listing[listing["volume"] == volume]
    centres = rows[["z", "y", "x"]].to_numpy(float) * np.array(voxel_um)
    return Nuclei(centres, rows["radius_um"].to_numpy(float))


def examine(
    pair: Pair,
    restored: Path | None,
    detector: Detector,
    known: pd.DataFrame | None,
    scratch: Path | None = None,
) -> Matches:
    """Find the nuclei of one volume in one condition, and compare them with the true ones.

    Parameters
    ----------
    pair : Pair
        The low-SNR volume and its ground truth.
    restored : Path or None
        Folder of restorations; None examines the input.
    detector : Detector
    known : DataFrame or None
        `nuclei.csv` of the folder of volumes; None takes the nuclei found in the ground truth.
    scratch : Path, optional
        Folder for files that must be decoded, see `open_volume`.
    """
    with compared_images(pair, restored, scratch) as (truth, image):
        gain, offset = normalisation(truth, *TRUTH_PERCENTILES, "the ground truth")
        fit = least_squares_fit(moments_of(truth, image))
    voxel = detector.voxel_um
    if known is None:
        true_blobs = find_blobs(truth, detector.diameter_um, voxel, gain, detector.contrast)
        radii = np.full(len(true_blobs.contrasts), detector.diameter_um / 2)
        true = Nuclei(true_blobs.centres_um, radii)
    else:
        true = known_nuclei(known, pair.volume, voxel)
    blobs = find_blobs(image, detector.diameter_um, voxel, fit.gain * gain, THRESHOLDS[0])
    is_inside = _inside(true, truth.shape, voxel)
    inside = Nuclei(true.centres_um[is_inside], true.radii_um[is_inside])
    means = np.array([_mean_intensities(volume, inside, voxel) for volume in (truth, image)])
    intensities = means * [[gain], [1]] + [[offset], [0]]
    labels = match(blobs, true, is_inside)
    return Matches(pair.volume, blobs.contrasts, labels, len(inside.radii_um), intensities)


def match(blobs: Blobs, true: Nuclei, is_inside: np.ndarray) -> np.ndarray:
    """Whether each found nucleus is RIGHT, WRONG or OUTSIDE, whatever the order of the true ones.

    In the order of their contrast, the found nuclei take the nearest true one that is free and
    within whose radius they lie. So none depends on those with less contrast, and one matching
    holds for every threshold. Where the balls of true nuclei do not overlap, as in specimens, no
    other matching has more pairs.
    """
    labels = np.full(len(blobs.contrasts), WRONG)
    if not len(true.radii_um):
        return labels
    order = np.lexsort(true.centres_um.T)
    centres = true.centres_um[order]
    radii = true.radii_um[order]
    kinds = np.where(is_inside[order], RIGHT, OUTSIDE)
    is_free = np.ones(len(radii), bool)
    near = cKDTree(centres).query_ball_point(blobs.centres_um, radii.max(), return_sorted=True)
    for i, candidates in enumerate(near):
        distances = np.linalg.norm(centres[candidates] - blobs.centres_um[i], axis=1)
        distances[~is_free[candidates] | (distances > radii[candidates])] = np.inf
        if np.isfinite(distances).any():
            nearest = candidates[int(np.argmin(distances))]
            is_free[nearest] = False
            labels[i] = kinds[nearest]
    return labels


def _inside(true: Nuclei, shape: Sequence[int], voxel_um: Sequence[float]) -> np.ndarray:
    """Which nuclei have their centre in the image."""
    place = true.centres_um / np.array(voxel_um)
    return ((place >= -0.5) & (place < np.array(shape) - 0.5)).all(axis=1)


def _mean_intensities(image: np.ndarray, nuclei: Nuclei, voxel_um: Sequence[float]) -> np.ndarray:
    """Mean over the ball of each nucleus, about the voxel that is nearest to its centre."""
    voxel = np.array(voxel_um)
    middles = np.rint(nuclei.centres_um / voxel).astype(int)
    reach = np.floor(nuclei.radii_um.max(initial=0) / voxel).astype(int)
    sums = np.zeros(len(middles))
    counts = np.zeros(len(middles))
    for step in np.ndindex(*(2 * reach + 1)):
        places = middles + step - reach
        is_used = np.linalg.norm((step - reach) * voxel) <= nuclei.radii_um
        is_used &= ((places >= 0) & (places < image.shape)).all(axis=1)
        sums[is_used] += image[tuple(places[is_used].T)]
        counts += is_used
    return sums / counts
