"""Messages on patches whose loss is not finite: the numbers of the patches, and the cause."""

import numpy as np

from denoising.training.batches import PatchPairs

MOST_LISTED = 64  # patches in a message


def describe_not_finite(pairs: PatchPairs, patches: np.ndarray, precision: str) -> str:
    """The patches of a batch whose loss is not finite, and the cause."""
    return f"on patches {_listed(patches)}. {_cause(pairs, patches, precision)}"


def _listed(patches: np.ndarray) -> str:
    """Numbers of patches, as text; of many, the first 64 and how many more."""
    text = ", ".join(map(str, patches[:MOST_LISTED]))
    if len(patches) > MOST_LISTED:
        text += f" and {len(patches) - MOST_LISTED} more"
    return text


def _cause(pairs: PatchPairs, patches: np.ndarray, precision: str) -> str:
    """Tell patches that hold NaN or infinity from weights that have diverged."""
    broken = [
        int(patch)
        for patch in patches
        if not (np.isfinite(pairs.X[patch]) & np.isfinite(pairs.Y[patch])).all()
    ]
    if broken:
        return (
            f"Patches {', '.join(map(str, broken))} hold values that are not finite: correct or"
            " leave out their images."
        )
    remedy = "set a smaller learning_rate"
    if precision == "float16":  # whose largest number is 65,504
        remedy += ", or precision: float32, because float16 overflows early"
    return f"All their values are finite, so the weights have diverged: {remedy}."
