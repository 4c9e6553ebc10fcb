"""The classical methods that networks are compared with: how each is called and drawn, and its
memory.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Baseline:
    """A classical method: its name in configs and scores, how figures show it, its memory per
    voxel.
    """

    name: str
    label: str
    colour: str
    marker: str
    bytes_per_voxel: int = 0  # beyond the blocks that most methods work on


BASELINES = {
    baseline.name: baseline
    for baseline in (
        Baseline("gaussian", "Gaussian", "#B8977E", "v"),
        Baseline("median", "median", "#8F6B4F", ">"),
        Baseline("tv", "total variation", "#5E4030", "<", bytes_per_voxel=64),
        Baseline("wavelet", "wavelet", "#3B4A57", "*", bytes_per_voxel=36),
        Baseline("nlm", "non-local means", "#000000", "+"),
    )
}
