"""Scores of found nuclei: how many are right, how many are missed, how bright they are.

Which contrast makes a blob a nucleus changes every count. A contrast that suits a sharp image is
too low for a noisy one and too high for a blurred one, so no single one is fair to all methods. So
the whole curve of precision against recall is measured, over one grid of contrasts, and each method
has its own contrast for each volume: that of the grid with the highest mean F1 over the OTHER test
volumes of the condition. A single test volume has that with its own highest F1. Average precision
needs no contrast.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from denoising.evaluation.objects import OUTSIDE, RIGHT, THRESHOLDS, Matches

FEWEST = 3  # nuclei whose intensities are compared: a line goes through any two


def object_scores(volumes: Sequence[Matches]) -> Iterator[tuple[str, str, float]]:
    """Scores of one method in one condition: volume, metric and value.

    `precision`, `recall` and `f1` are shares; one without found nuclei is 0. `count_error` is the
    number found less the true one, as a share of this. `average_precision` is the area under the
    curve of precision against recall, summed over the found nuclei (Everingham et al.,
    International Journal of Computer Vision 88, 303, 2010, without interpolation).

    `intensity_error` is the median relative error of the intensities summed in the balls of the
    true nuclei, `intensity_correlation` Pearson's coefficient of their means. A line is fitted to
    the means first, as the fit over voxels shrinks noisy images. A volume without true nuclei has
    no scores, one with fewer than three none of intensities.
    """
    volumes = [matches for matches in volumes if matches.count]
    counts = np.array([_counts(matches) for matches in volumes]).reshape(-1, 3, len(THRESHOLDS))
    f1 = _f1(*counts.swapaxes(0, 1))
    for i, matches in enumerate(volumes):
        others = np.delete(f1, i, axis=0) if len(volumes) > 1 else f1
        chosen = int(np.argmax(others.mean(axis=0)))
        right, shown, true = counts[i, :, chosen]
        yield matches.volume, "precision", float(right / max(shown, 1))
        yield matches.volume, "recall", float(right / true)
        yield matches.volume, "f1", float(f1[i, chosen])
        yield matches.volume, "count_error", float((shown - true) / true)
        yield matches.volume, "average_precision", average_precision(matches)
        if matches.count >= FEWEST:
            error, correlation = intensity_scores(matches.intensities)
            yield matches.volume, "intensity_error", error
            yield matches.volume, "intensity_correlation", correlation


def precision_recall(matches: Matches) -> pd.DataFrame:
    """The curve of one volume: threshold, and nuclei found right, all found and true ones."""
    right, shown, true = _counts(matches)
    curve = {"threshold": THRESHOLDS, "right": right, "found": shown, "true": true}
    return pd.DataFrame(curve)


def average_precision(matches: Matches) -> float:
    """Mean over the true nuclei of the precision at which each is found, 0 for those that are not.

    Found nuclei of the same contrast count in the order in which they are listed.
    """
    is_right = matches.labels[matches.labels != OUTSIDE] == RIGHT
    precision = np.cumsum(is_right) / np.arange(1, len(is_right) + 1)
    return float(precision[is_right].sum() / matches.count)


def intensity_scores(intensities: np.ndarray) -> tuple[float, float]:
    """Median relative error after a fitted line, and Pearson's correlation; 0 for constant ones.

    Parameters
    ----------
    intensities : ndarray of float64, (2, n)
        True ones, and those of a method.
    """
    true, shown = intensities
    deviations = intensities - intensities.mean(axis=1, keepdims=True)
    products = deviations @ deviations.T
    slope = products[0, 1] / products[1, 1] if products[1, 1] > 0 else 0.0
    fitted = true.mean() + slope * (shown - shown.mean())
    error = np.median(np.abs(fitted - true) / np.abs(true))
    scale = np.sqrt(products[0, 0] * products[1, 1])
    return float(error), float(products[0, 1] / scale) if scale > 0 else 0.0


def _counts(matches: Matches) -> np.ndarray:
    """Nuclei found right, all found, and true ones, at every threshold (3, thresholds)."""
    is_counted = matches.labels != OUTSIDE
    is_right = matches.labels == RIGHT
    above = matches.contrasts >= THRESHOLDS[:, None]
    right = (above & is_right).sum(axis=1)
    shown = (above & is_counted).sum(axis=1)
    return np.array([right, shown, np.full(len(THRESHOLDS), matches.count)])


def _f1(right: np.ndarray, shown: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Harmonic mean of precision and recall."""
    return 2 * right / (shown + true)
