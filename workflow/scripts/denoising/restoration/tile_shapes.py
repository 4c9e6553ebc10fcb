"""A handful of tile shapes for images of many sizes.

Each pair of shapes, of tile and core, is a graph of its own, which takes a GPU time to prepare:
cuDNN tries its algorithms on every convolution. The first images are cut as is best for each.
Later ones are cut into tiles that are known, or of a small menu, where that costs less than
another graph.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from denoising.restoration.tiling import TilePlan, products

FEW = 4  # graphs before any other tile is taken than the best
# Edges of tiles: 16, 24, 32, 48, 64, 96, ...
MENU = sorted(base << power for base in (2, 3) for power in range(3, 12))
Shapes = tuple[tuple[int, ...], tuple[int, ...]]  # of tile and core


@dataclass
class TileShapes:
    """The shapes that have been used.

    `graph_voxels` is how many voxels more may be computed to save a graph; with 0 each image is cut
    as is best for it.
    """

    graph_voxels: int = 0
    known: set[Shapes] = field(default_factory=set)

    def chosen(self, best: TilePlan, max_voxels: int) -> TilePlan:
        """The best plan for an image, or another with tiles that serve others too."""
        is_new = (best.tile, best.core) not in self.known
        plan = best
        if self.graph_voxels and is_new and len(self.known) >= FEW:
            known = [_with(best, *shapes) for shapes in self.known if _serves(best, *shapes)]
            known = [each for each in known if math.prod(each.tile) <= max_voxels]
            plan = (
                self._cheap(known, best) or self._cheap(_from_menu(best, max_voxels), best) or best
            )
        self.known.add((plan.tile, plan.core))
        return plan

    def _cheap(self, plans: list[TilePlan], best: TilePlan) -> TilePlan | None:
        """The plan of least recomputation, if it costs less than another graph."""
        least = min(plans, key=lambda each: each.computed_voxels, default=None)
        is_cheap = least and least.computed_voxels - best.computed_voxels < self.graph_voxels
        return least if is_cheap else None


def _with(plan: TilePlan, tile: tuple[int, ...], core: tuple[int, ...]) -> TilePlan:
    return TilePlan(plan.shape, plan.region, plan.margin, core, tile)


def _serves(plan: TilePlan, tile: tuple[int, ...], core: tuple[int, ...]) -> bool:
    """Whether such tiles cover the plan's region with all of the halo."""
    if len(tile) != len(plan.tile):
        return False
    axes = zip(plan.shape, plan.region, tile, core, strict=True)
    return all(
        of_tile <= size
        and of_core <= part.stop - part.start
        and (of_tile == size or of_core + 2 * plan.margin <= of_tile)
        for size, part, of_tile, of_core in axes
    )


def _from_menu(best: TilePlan, max_voxels: int) -> list[TilePlan]:
    """The plan of least recomputation with edges of the menu, and along axes too short for it those
    of the best; none if no such tile fits.
    """
    options = []
    for size, part, tile, core in zip(best.shape, best.region, best.tile, best.core, strict=True):
        length = part.stop - part.start
        fitting = [(edge, edge - 2 * best.margin) for edge in MENU if edge <= size]
        fitting = [each for each in fitting if 0 < each[1] <= length]
        options.append(
            [(edge, inner, -(-length // inner)) for edge, inner in fitting]
            or [(tile, core, -(-length // core))]
        )
    tiles, counts = (products([[each[key] for each in axis] for axis in options]) for key in (0, 2))
    computed = np.where(tiles <= max_voxels, tiles * counts, np.iinfo(np.int64).max)
    if computed.min() == np.iinfo(np.int64).max:
        return []
    least = np.unravel_index(computed.argmin(), computed.shape)
    chosen = [axis[i] for axis, i in zip(options, least, strict=True)]
    edges, inner, _ = zip(*chosen, strict=True)
    return [_with(best, edges, inner)]
