"""Scores of a restoration against its ground truth, under two protocols that are never mixed.

`paper`
    The CARE paper's: the means of both images are subtracted and the image is scaled to the truth;
    PSNR and SSIM take a data range of 1. Recovered from public copies of the authors' code (Weigert
    et al. 2018).
`study2019`
    The 2019 replication's: the input is compared as it is, a restoration is fitted to the truth by
    least squares; SSIM takes a data range of 2, as scikit-image 0.15 did for float images.

Both compare with the truth `y' = N(y; 0.1, 99.9)`, and every method restores the input
`x' = N(x; 3, 99.8)`.

The volumes are read slab by slab: for their percentiles, for their moments, which give every fit,
NRMSE and PSNR, and for their local moments, which give the SSIM of every protocol.
"""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np

from denoising.evaluation.compared_images import compared_images
from denoising.evaluation.moments import (
    IDENTITY,
    AffineFit,
    Moments,
    least_squares_fit,
    mean_squared_error,
    moments_of,
    paper_fit,
    psnr,
)
from denoising.evaluation.ssim import SsimInputs, check_shapes, mean_ssims, window_of
from denoising.images.percentiles import normalisation
from denoising.images.volumes import INPUT_PERCENTILES, Pair

log = logging.getLogger(__name__)

TRUTH_PERCENTILES = (0.1, 99.9)


@dataclass(frozen=True)
class Protocol:
    """How an image is fitted to the truth before the two are compared, and what is then measured.

    Attributes
    ----------
    fit : function of Moments
        For restorations, and for the input where `rescales_input`.
    rescales_input : bool
        Otherwise the normalised input is compared as it is.
    data_range : float
        The data range of PSNR and SSIM.
    metrics : tuple of {"nrmse", "psnr", "ssim"}
    """

    fit: Callable[[Moments], AffineFit]
    rescales_input: bool
    data_range: float
    metrics: tuple[str, ...]


PROTOCOLS = {
    "paper": Protocol(
        paper_fit, rescales_input=True, data_range=1, metrics=("nrmse", "psnr", "ssim")
    ),
    "study2019": Protocol(
        least_squares_fit, rescales_input=False, data_range=2, metrics=("nrmse", "ssim")
    ),
}


def score_volume(
    truth: np.ndarray,
    image: np.ndarray,
    protocols: Sequence[str] | Mapping[str, Protocol],
    is_input: bool = False,
    threads: int = 1,
    by_plane: bool = False,
) -> list[dict]:
    """Score one image under each protocol.

    Parameters
    ----------
    truth : ndarray, or anything with a shape and a dtype whose slices become arrays
        Ground truth as acquired, (Z, Y, X) or (Y, X), arbitrary units.
    image : the same
        The restoration of `N(x; 3, 99.8)`; or, with `is_input`, the low-SNR image x as acquired.
    protocols : sequence of str, or mapping of str to Protocol
        Keys of `PROTOCOLS`; or other protocols by name.
    is_input : bool
        Whether `image` is the low-SNR input itself.
    threads : int
        The scores are the same, to the bit, for any number.
    by_plane : bool
        Whether SSIM is that of the planes of a stack; all else is of the volume.

    Returns
    -------
    list of dict
        One value per row: protocol, metric, value. NRMSE and SSIM have no unit, PSNR is in dB. An
        image without correlation with the truth, or with a negative one, has scores too, since the
        fits scale it by zero or invert it; the log then holds a warning.

    Raises
    ------
    ValueError
        If shapes differ, an image is constant or not finite, an axis is shorter than SSIM's window,
        or the squares of values have no room in float64.
    """
    check_shapes(truth, image, by_plane)
    if not isinstance(protocols, Mapping):
        protocols = {name: PROTOCOLS[name] for name in protocols}
    acquired = moments_of(truth, image, threads)
    gains, offsets = _normalisations(truth, image, is_input)
    moments = acquired.mapped(gains, offsets)
    fits = [
        IDENTITY if is_input and not protocol.rescales_input else protocol.fit(moments)
        for protocol in protocols.values()
    ]
    if moments.scatter[0, 1] <= 0:
        log.warning(
            "the image correlates negatively or not at all with the ground truth; it is scored all"
            " the same"
        )
    scalings = [
        ssim_inputs(gains, moments, fit, protocol.data_range)
        for fit, protocol in zip(fits, protocols.values(), strict=True)
    ]
    ssims = mean_ssims(truth, image, acquired.mean, scalings, threads, by_plane)
    rows: list[dict[str, Any]] = []
    for name, fit, ssim in zip(protocols, fits, ssims, strict=True):
        squared_error = mean_squared_error(moments, fit)
        values = {
            "nrmse": sqrt(squared_error),
            "psnr": psnr(squared_error, protocols[name].data_range),
            "ssim": ssim,
        }
        rows += [
            {"protocol": name, "metric": metric, "value": float(values[metric])}
            for metric in protocols[name].metrics
        ]
    if np.isnan([row["value"] for row in rows]).any():
        raise ValueError(
            "values of the ground truth or of the image are too large or too small to be squared,"
            " so that a score is not a number; save both in other units."
        )
    return rows


def _normalisations(
    truth: np.ndarray, image: np.ndarray, is_input: bool
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Gains and offsets of truth and image; a restoration keeps its units."""
    y = normalisation(truth, *TRUTH_PERCENTILES, "the ground truth")
    q = normalisation(image, *INPUT_PERCENTILES, "the input") if is_input else (1.0, 0.0)
    return (y[0], q[0]), (y[1], q[1])


def ssim_inputs(
    gains: tuple[float, float], moments: Moments, fit: AffineFit, data_range: float
) -> SsimInputs:
    """How SSIM compares the images as acquired, less their means, once normalised and fitted."""
    means = (moments.mean[0] + fit.shift, fit.gain * moments.mean[1] + fit.offset)
    return SsimInputs((gains[0], fit.gain * gains[1]), means, data_range)


def score_pair(
    pair: Pair,
    restored: Path | None,
    protocols: Sequence[str],
    stratum: str | None,
    threads: int = 1,
    scratch: Path | None = None,
) -> list[dict]:
    """Score one volume in one condition.

    Parameters
    ----------
    pair : Pair
        The low-SNR volume and its ground truth.
    restored : Path or None
        Folder of restorations, {condition}/{volume}.tif; None scores the input.
    protocols : sequence of str
        Keys of `PROTOCOLS`.
    stratum : str or None
        Regular expression that is searched in the volume's name; its group is the stratum.
    threads : int
    scratch : Path, optional
        Folder for files that must be decoded, see `open_volume`.

    Returns
    -------
    list of dict
        Rows of condition, volume, stratum, protocol, metric and value, and of SSIM its window.
        Errors name the file.
    """
    with compared_images(pair, restored, scratch) as (truth, image):
        scores = score_volume(truth, image, protocols, restored is None, threads, pair.by_plane)
    keys = names_of(pair.condition, pair.volume, stratum)
    window = {"window": "x".join(map(str, window_of(len(pair.axes), pair.by_plane)))}
    return [keys | row | (window if row["metric"] == "ssim" else {}) for row in scores]


def names_of(condition: str, volume: str, stratum: str | None) -> dict[str, str]:
    """The columns of a score that name the volume: condition, volume, and its stratum.

    `stratum` is as in `score_pair`.
    """
    match = re.search(stratum, volume) if stratum else None
    return {"condition": condition, "volume": volume, "stratum": match.group(1) if match else ""}
