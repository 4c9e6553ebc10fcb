"""Split-conformal factors, which rescale the intervals that a network predicts so that they hold
the truth as often as they say.

A network states that a share L of true values has a score (`laplace`) of at most -ln(1 - L). On
validation patches, whose truth is known, the scores have their own quantile q of that level. The
factor of the level is q / -ln(1 - L): 1 for a network that knows its error, more for one that is
too sure of itself. The rescaled interval holds the values whose score is at most q; for one network
it is the predicted one, wider by the factor.

The quantile is raised so that it holds for new data too. Among n exchangeable scores one takes the
ceil((n + 1) L)-th smallest (Lei et al. 2018; Angelopoulos and Bates 2023). The voxels of a patch
depend on one another, so patches count here, not voxels: among P patches of v voxels it is the
ceil((P + 1) L v)-th smallest of all P v scores. If a new patch is exchangeable with these, the
interval of a random voxel of it holds the truth with a probability of at least L (Lee, Barber and
Willett, "Distribution-free inference with hierarchical data", arXiv:2306.06342). If P < L/(1 - L),
as with fewer than 19 patches for 95 %, no finite interval has this guarantee, and the factor is
infinite.

The factors of one network or ensemble are a JSON file:

    patches             number of validation patches
    voxels_per_patch
    levels, factors     nominal levels, and the factor of each; null where it is infinite
    error_factor        mean absolute error by mean predicted error, which rescales the predicted
                        error itself: an average without a guarantee
"""

import json
import logging
from dataclasses import dataclass
from math import ceil, inf, isfinite
from pathlib import Path

import numpy as np

from denoising.images.percentiles import order_statistics
from denoising.running.names import remedy_of_damage
from denoising.running.outputs import write_json

log = logging.getLogger(__name__)

LEVELS = tuple(i / 20 for i in range(1, 20))


def nominal_score(level: float) -> float:
    """The largest score within the predicted interval of a level."""
    return float(-np.log1p(-level))


@dataclass(frozen=True)
class Factors:
    """Split-conformal factors (see the module), one for each of `LEVELS`."""

    patches: int
    voxels_per_patch: int
    factors: tuple[float, ...]
    error_factor: float

    @property
    def scores(self) -> list[float]:
        """The largest score within the rescaled interval of each level."""
        pairs = zip(LEVELS, self.factors, strict=True)
        return [factor * nominal_score(level) for level, factor in pairs]

    def score_of(self, level: float) -> float:
        """The largest score within the rescaled interval of one of `LEVELS`."""
        return self.scores[LEVELS.index(level)]

    def write(self, path: Path) -> None:
        """Write the JSON file."""
        record = {
            "patches": self.patches,
            "voxels_per_patch": self.voxels_per_patch,
            "levels": LEVELS,
            "factors": [factor if isfinite(factor) else None for factor in self.factors],
            "error_factor": self.error_factor,
        }
        write_json(path, record)

    @classmethod
    def read(cls, path: Path) -> "Factors":
        """Read the JSON file.

        Raises
        ------
        ValueError
            If its levels are not `LEVELS`; names the file.
        """
        record = json.loads(path.read_text())
        if tuple(record["levels"]) != LEVELS:
            raise ValueError(
                f"{path}: levels are {record['levels']}, expected {list(LEVELS)};"
                f" {remedy_of_damage(path)}."
            )
        factors = tuple(inf if factor is None else factor for factor in record["factors"])
        counts = (record["patches"], record["voxels_per_patch"])
        return cls(*counts, factors, record["error_factor"])


def conformal_factors(scores: np.ndarray, error_factor: float) -> Factors:
    """The factor of each level.

    Parameters
    ----------
    scores : ndarray of float, (patches, voxels)
        Scores of the truth of validation patches; a memory map is not read into memory.
    error_factor : float
        Kept with the factors.

    Raises
    ------
    ValueError
        If the error factor is not finite, as from a network that predicts NaN.
    """
    if not isfinite(error_factor):
        raise ValueError(
            f"on validation patches the error is {error_factor} times the predicted one, expected"
            " a finite number; train the network anew."
        )
    patches, voxels = scores.shape
    # Less rounding errors, which would raise a whole number by one
    ranks = [ceil((patches + 1) * level * voxels - 1e-6) for level in LEVELS]
    known = {rank - 1 for rank in ranks if rank <= scores.size}
    values = order_statistics(scores, known) if known else {}
    if scores.size < ranks[-1]:
        log.warning(
            "%d validation patches are too few for intervals of up to %g %%, which are infinite:"
            " cut more patches",
            patches,
            100 * LEVELS[-1],
        )
    quantiles = [values[rank - 1] if rank <= scores.size else inf for rank in ranks]
    pairs = zip(quantiles, LEVELS, strict=True)
    factors = tuple(quantile / nominal_score(level) for quantile, level in pairs)
    return Factors(patches, voxels, factors, error_factor)
