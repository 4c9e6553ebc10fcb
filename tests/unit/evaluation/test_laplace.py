"""Mixtures of Laplace distributions: one network is itself, and quantiles are those of a
root-finder.
"""

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.optimize import brentq

from denoising.evaluation.laplace import Mixture, Predicted


def mixture(networks=3, voxels=40, seed=0):
    rng = np.random.default_rng(seed)
    return Mixture(rng.normal(0, 1, (networks, voxels)), rng.uniform(0.05, 2, (networks, voxels)))


def distribution(means, scales):
    """The cumulative distribution of one voxel, by scipy."""
    return lambda value: stats.laplace.cdf(value, means, scales).mean()


def test_the_score_of_one_network_is_its_error_by_its_scale():
    one = mixture(networks=1)
    values = one.means[0] + np.linspace(-50, 50, 40)
    np.testing.assert_array_equal(one.score(values), np.abs(values - one.means[0]) / one.scales[0])
    np.testing.assert_array_equal(one.expected_error(), one.scales[0])


def test_equal_networks_are_one_network():
    one = mixture(networks=1)
    three = Mixture(np.repeat(one.means, 3, axis=0), np.repeat(one.scales, 3, axis=0))
    values = one.means[0] + np.linspace(-10, 10, 40)
    np.testing.assert_allclose(three.score(values), one.score(values), atol=1e-12)
    np.testing.assert_allclose(three.expected_error(), one.expected_error())
    np.testing.assert_allclose(three.interval(3.0), one.interval(3.0))
    np.testing.assert_allclose(one.interval(3.0)[1], one.means[0] + 3 * one.scales[0])


def test_the_score_is_that_of_the_smaller_tail():
    many = mixture()
    values = np.random.default_rng(1).normal(0, 3, 40)
    voxels = zip(many.means.T, many.scales.T, values, strict=True)
    below = np.array([distribution(means, scales)(value) for means, scales, value in voxels])
    np.testing.assert_allclose(
        many.score(values), -np.log(2 * np.minimum(below, 1 - below)), rtol=1e-6
    )


@pytest.mark.parametrize("level", [0.05, 0.5, 0.95, 0.999])
def test_intervals_end_at_the_quantiles_that_a_root_finder_finds(level):
    many = mixture()
    ends = many.interval(-np.log1p(-level))
    for end, share in zip(ends, ((1 - level) / 2, (1 + level) / 2), strict=True):
        for i, (means, scales) in enumerate(zip(many.means.T, many.scales.T, strict=True)):
            cdf = distribution(means, scales)
            root = brentq(lambda value: cdf(value) - share, -60, 60, xtol=1e-12)  # noqa: B023
            assert end[i] == pytest.approx(root, abs=1e-6)


def test_a_value_at_the_end_of_an_interval_has_its_score():
    for end in mixture().interval(2.5):
        np.testing.assert_allclose(mixture().score(end), 2.5, atol=1e-5)


def test_the_expected_error_is_the_integral():
    two = mixture(networks=2, voxels=5)
    for i, found in enumerate(two.expected_error()):
        means, scales = two.means[:, i], two.scales[:, i]
        centre = means.mean()

        def integrand(y):
            density = stats.laplace.pdf(y, means, scales).mean()  # noqa: B023
            return abs(y - centre) * density  # noqa: B023

        points = sorted([*means, centre])
        assert found == pytest.approx(quad(integrand, -40, 40, points=points, limit=500)[0])


def test_a_scale_of_zero_is_a_network_that_is_certain():
    certain = Mixture(np.array([[1.0, 1.0]]), np.zeros((1, 2)))
    assert certain.score(np.array([1.0, 1.1])).tolist() == [0, pytest.approx(0.1 / 1.1754944e-38)]
    two = Mixture(np.array([[1.0, 1.0], [1.0, 1.0]]), np.zeros((2, 2)))
    assert two.score(np.array([1.0, 1.1])).tolist() == [0, np.inf]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
def test_scales_that_no_law_has_are_refused(bad):
    images = np.ones((4, 5), np.float32)
    with pytest.raises(ValueError, match="the scale holds negative, NaN or infinite"):
        Predicted([images], [np.where(np.eye(4, 5) > 0, bad, images)]).mixture((slice(0, 2),))
