"""Balls in voxels of three different edges, for tests of how nuclei are found."""

import numpy as np

VOXEL = (2.0, 0.8, 0.5)
DIAMETER = 6.0
# Micrometres, between voxels too; the last two are cut by an edge
CENTRES = np.array(
    [[8, 8, 8], [8, 8, 16], [9, 16.4, 8], [17, 24, 9.3], [21, 9, 21], [0, 28, 28], [22, 27.2, 24]],
    float,
)


def balls(centres, shape=(12, 40, 60), voxel=VOXEL, radius=DIAMETER / 2, parts=5):
    """Balls of contrast 1 on a dark background, antialiased by `parts` points along each axis."""
    points = [(np.arange(n * parts) + 0.5) / parts - 0.5 for n in shape]
    grid = np.meshgrid(*(p * v for p, v in zip(points, voxel, strict=True)), indexing="ij")
    fine = np.zeros(grid[0].shape, np.float32)
    for centre in centres:
        squares = sum((x - c) ** 2 for x, c in zip(grid, centre, strict=True))
        fine[squares <= radius**2] = 1
    sizes = [size for n in shape for size in (n, parts)]
    return fine.reshape(sizes).mean(axis=tuple(range(1, 2 * len(shape), 2)))
