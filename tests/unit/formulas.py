"""Images, and the formulas of the study written out voxel by voxel, independent of the library."""

import itertools

import numpy as np


def percentile(image, p):
    """Linear interpolation between the two nearest ranks."""
    values = sorted(float(v) for v in image.ravel())
    rank = p / 100 * (len(values) - 1)
    below = int(rank)
    above = min(below + 1, len(values) - 1)
    return values[below] + (rank - below) * (values[above] - values[below])


def n(image, low, high):
    """N(u; lo, hi) = (u - perc(u, lo)) / (perc(u, hi) - perc(u, lo)), no clipping."""
    bottom, top = percentile(image, low), percentile(image, high)
    return (image.astype(float) - bottom) / (top - bottom)


def windowed_ssim(a, b, data_range):
    """Every window of 7 voxels that fits: the mean leaves out a border of 3; sample covariance."""
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    values = []
    for corner in itertools.product(*(range(size - 6) for size in a.shape)):
        window = tuple(slice(start, start + 7) for start in corner)
        u, v = a[window].ravel(), b[window].ravel()
        mu, mv, count = u.sum() / u.size, v.sum() / v.size, u.size
        var_u, var_v = ((u - mu) ** 2).sum() / (count - 1), ((v - mv) ** 2).sum() / (count - 1)
        cov = ((u - mu) * (v - mv)).sum() / (count - 1)
        values.append(
            (2 * mu * mv + c1) * (2 * cov + c2) / ((mu**2 + mv**2 + c1) * (var_u + var_v + c2)),
        )
    return sum(values) / len(values)


def least_squares(target, image):
    a, b = np.polyfit(image.ravel().astype(float), target.ravel(), 1)
    return a * image + b


def specimen(shape, dtype=np.uint16, offset=100):
    """A smooth image in camera counts, and a noisy one."""
    grid = np.meshgrid(*(np.linspace(0, 4, size) for size in shape), indexing="ij")
    bright = 2000 * np.sin(sum((i + 1) * g for i, g in enumerate(grid))) ** 2
    noise = np.random.default_rng(3).poisson(bright / 10 + 5)
    return (bright + offset).astype(dtype), (noise + offset).astype(dtype)
