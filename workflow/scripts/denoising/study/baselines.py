"""Classical baselines that networks are compared with: name, how figures show it, memory.

docs/extending.md shows how to add one. The filters lie apart, in
`denoising/restoration/filters.py`, so that an edit to a colour does not restore all volumes again.
"""

from dataclasses import dataclass

from denoising.study.names import INPUT, TRUTH


@dataclass(frozen=True)
class Baseline:
    """A classical method.

    `name` stands in configs and scores; `label`, `colour` and `marker` in tables and figures.
    `bytes_per_voxel` is the memory of a method that takes a volume as a whole; 0 for those that
    work on blocks.
    """

    name: str
    label: str
    colour: str
    marker: str
    bytes_per_voxel: int = 0


BASELINES = {
    baseline.name: baseline
    for baseline in (
        Baseline("gaussian", "Gaussian", "#B8977E", "v"),
        Baseline("median", "median", "#8F6B4F", ">"),
        # Measured: 60 and 33 bytes per voxel at the peak
        Baseline("tv", "total variation", "#5E4030", "<", bytes_per_voxel=64),
        Baseline("wavelet", "wavelet", "#3B4A57", "*", bytes_per_voxel=36),
        Baseline("nlm", "non-local means", "#000000", "+"),
    )
}
# Names that no model may have
RESERVED = (INPUT, TRUTH, *BASELINES)
