"""What ZeroCostDL4Mic and UniFMIR print, by their formulas in plain numpy and scikit-image."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity

from denoising.evaluation.other_scorers import unifmir_planes, unifmir_scores, zerocost_scores


@pytest.fixture
def images():
    rng = np.random.default_rng(1)
    smooth = gaussian_filter(rng.normal(size=(9, 40, 44)), 2)
    truth = (200 + 3000 * (smooth - smooth.min()) / np.ptp(smooth)).astype(np.uint16)
    return truth, (0.1 + truth / 4000 + rng.normal(0, 0.02, truth.shape)).astype(np.float32)


def test_zerocost_prints_the_root_of_the_mean_absolute_error_of_each_plane(images):
    printed = []
    for y, q in zip(*images, strict=True):
        low, high = np.percentile(y, (0.1, 99.9))
        y = (y - low) / (high - low)
        y = y - y.mean()
        q = q.astype(float) - q.mean()
        q = q * np.cov(q.ravel(), y.ravel())[0, 1] / q.var()
        similarity = structural_similarity(
            y, q, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        printed.append([np.abs(y - q).mean() ** 0.5, -10 * np.log10(((y - q) ** 2).mean())])
        printed[-1].append(similarity)
    scores = zerocost_scores(*images)
    assert list(scores) == ["nrmse", "psnr", "ssim"]
    assert list(scores.values()) == pytest.approx(np.mean(printed, axis=0))
    assert scores == zerocost_scores(*images, threads=3)


def test_a_true_error_of_3_percent_is_printed_as_some_15():
    rng = np.random.default_rng(2)
    truth = rng.random((2, 200, 200))
    image = truth + rng.normal(0, 0.03, truth.shape)
    assert zerocost_scores(truth, image)["nrmse"] == pytest.approx(0.155, abs=0.005)


def test_zerocost_leaves_out_planes_of_one_value(images):
    truth, image = images
    dark = np.concatenate([truth, np.full_like(truth[:1], 200)])
    assert zerocost_scores(dark, np.concatenate([image, image[:1]])) == zerocost_scores(*images)


@pytest.mark.parametrize("organism", ["planaria", "tribolium"])
def test_unifmir_scales_to_the_extremes_and_scores_a_few_planes(images, organism):
    volumes = [volume.astype(float) for volume in images]
    scaled = [(u - u.min()) / np.ptp(u) for u in volumes]
    printed = []
    for plane in (6, 7, 8) if organism == "planaria" else (3, 4, 5):
        y, q = (u[plane] for u in scaled)
        if organism == "tribolium":
            y, q = ((u - u.min()) / np.ptp(u) for u in (y, q))
        similarity = structural_similarity(
            255 * y, 255 * q, data_range=255, gaussian_weights=True, sigma=1.5, win_size=11
        )
        printed.append([-10 * np.log10(((y - q) ** 2).mean()), similarity])
    scores = unifmir_scores(*images, organism, "2")
    assert list(scores) == ["psnr", "ssim"]
    assert list(scores.values()) == pytest.approx(np.mean(printed, axis=0))


def test_only_the_corner_counts(images):
    """What lies beyond 600 x 600 only enters by its extremes."""
    rng = np.random.default_rng(3)
    truth = rng.random((3, 610, 620))
    image = truth + rng.normal(0, 0.1, truth.shape)
    other = image.copy()
    other[:, 605, 610] = image.mean()
    assert unifmir_scores(truth, image, None, "1") == unifmir_scores(truth, other, None, "1")


@pytest.mark.parametrize(
    ("depth", "organism", "condition", "planes"),
    [
        (95, "planaria", "1", [10, 25, 40, 55, 70]),
        (95, "planaria", "3", [85, 86]),
        (80, "planaria", "2", [77, 78, 79]),
        (50, "tribolium", "1", [2, 9, 16, 23, 30, 37, 44]),
        (50, "tribolium", "3", [24, 25, 26]),
        (8, "planaria", "1", [3, 4, 5]),
        (9, None, "low", [3, 4, 5]),
        (1, "planaria", "2", [0]),
    ],
)
def test_planes_are_those_of_its_tests(depth, organism, condition, planes):
    assert list(unifmir_planes(depth, organism, condition)) == planes
