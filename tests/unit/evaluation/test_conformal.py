"""Split-conformal factors: known answers, and the definition with all scores at hand."""

import math

import numpy as np
import pytest

import denoising.images.percentiles
from denoising.evaluation.conformal import LEVELS, Factors, conformal_factors, nominal_score


def laplace_scores(patches, voxels, too_sure=1.0, seed=0):
    """Scores of Laplace errors whose scale is predicted too small by a factor."""
    scores = np.random.default_rng(seed).exponential(too_sure, (patches, voxels))
    return scores.astype(np.float32)


@pytest.mark.parametrize("too_sure", [0.5, 1.0, 2.0])
def test_a_scale_that_is_off_by_a_factor_has_that_factor_at_every_level(too_sure):
    found = conformal_factors(laplace_scores(2000, 200, too_sure), 1.0)
    # 5 % is a hundred voxels of 400,000 at the lowest level, some four standard deviations
    np.testing.assert_allclose(found.factors, too_sure, rtol=0.03)


def test_rescaled_intervals_hold_as_many_new_scores_as_they_say():
    factors = conformal_factors(laplace_scores(2000, 200, 2.0), 1.0)
    new = laplace_scores(2000, 200, 2.0, seed=1)
    covered = [np.mean(new <= score) for score in factors.scores]
    np.testing.assert_allclose(covered, LEVELS, atol=0.005)  # sampling errors of both, and 1 / 2000


def test_with_a_voxel_per_patch_it_is_split_conformal_prediction():
    scores = laplace_scores(99, 1)
    ordered = np.sort(scores.ravel())
    for level, score in zip(LEVELS, conformal_factors(scores, 1.0).scores, strict=True):
        assert score == pytest.approx(ordered[math.ceil(round(100 * level, 6)) - 1], rel=1e-12)


@pytest.mark.parametrize("block", [7, 10**6])
def test_scores_are_counted_block_by_block_as_if_all_were_at_hand(block, monkeypatch):
    monkeypatch.setattr(denoising.images.percentiles, "BLOCK", block)
    scores = laplace_scores(21, 10)
    ordered = np.sort(scores.ravel())
    ranks = [math.ceil(round(22 * level * 10, 6)) for level in LEVELS]
    found = conformal_factors(scores, 1.0)
    np.testing.assert_allclose(found.scores, ordered[np.array(ranks) - 1], rtol=1e-12)


def test_voxels_that_are_alike_count_once():
    """The more of a patch's voxels share its error, the less its number of voxels says."""
    scores = laplace_scores(25, 1)
    alike = conformal_factors(np.repeat(scores, 40, axis=1), 1.0)
    assert alike.factors == conformal_factors(scores, 1.0).factors


@pytest.mark.parametrize(("patches", "is_finite"), [(18, False), (19, True)])
def test_too_few_patches_have_no_finite_interval_of_95_percent(patches, is_finite, caplog):
    found = conformal_factors(laplace_scores(patches, 50), 1.0)
    assert math.isfinite(found.score_of(0.95)) == is_finite
    assert math.isfinite(found.score_of(0.9))
    assert ("18 validation patches are too few" in caplog.text) != is_finite


def test_one_patch_has_intervals_of_up_to_half():
    found = conformal_factors(laplace_scores(1, 50), 1.0)
    assert [math.isfinite(factor) for factor in found.factors] == [x <= 0.5 for x in LEVELS]


def test_factors_are_read_as_they_are_written(tmp_path):
    factors = Factors(18, 64, (*(1.5,) * 18, math.inf), 0.9)
    factors.write(tmp_path / "conformal.json")
    assert "Infinity" not in (tmp_path / "conformal.json").read_text()  # which is no JSON
    assert Factors.read(tmp_path / "conformal.json") == factors
    assert factors.score_of(0.5) == pytest.approx(1.5 * nominal_score(0.5))


def test_factors_of_other_levels_are_refused(tmp_path):
    path = tmp_path / "conformal.json"
    path.write_text('{"levels": [0.5], "factors": [1]}')
    with pytest.raises(ValueError, match=r"conformal.json: levels are \[0.5\]"):
        Factors.read(path)


def test_a_network_that_predicts_nan_is_refused():
    with pytest.raises(ValueError, match="the error is nan times the predicted one"):
        conformal_factors(laplace_scores(20, 5), math.nan)
