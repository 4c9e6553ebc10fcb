"""Scores of any images do not change with the units, nor with the way that a volume is turned."""

import drawn_examples  # noqa: F401  # how hypothesis draws
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from denoising.evaluation.protocols import score_volume

BOTH = ["paper", "study2019"]
few = settings(max_examples=40)


@st.composite
def specimens(draw):
    """A smooth ground truth and a noisy image of it, in counts; volumes and planes."""
    shape = draw(st.lists(st.integers(7, 10), min_size=2, max_size=3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    grid = np.meshgrid(*(np.linspace(0, 3, size) for size in shape), indexing="ij")
    waves = sum(rng.uniform(0.5, 3) * axis for axis in grid)
    truth = 200 + 3000 * np.sin(waves) ** 2
    return truth, rng.poisson(truth / draw(st.sampled_from([5, 20, 100]))).astype(float)


def scores(truth, image, is_input):
    rows = score_volume(truth, image, BOTH, is_input)
    return {(row["protocol"], row["metric"]): row["value"] for row in rows}


UNITS = (st.floats(0.01, 100), st.floats(-1000, 1000))


@few
@given(specimens(), *UNITS, st.booleans())
def test_a_restoration_may_come_in_any_units_even_inverted(pair, gain, offset, is_inverted):
    truth, image = pair
    other = (-gain if is_inverted else gain) * image + offset
    assert scores(truth, other, False) == pytest.approx(scores(*pair, False), rel=1e-5, abs=1e-7)


@few
@given(specimens(), *UNITS, *UNITS)
def test_ground_truth_and_input_may_come_in_any_units(pair, gain, offset, gain_2, offset_2):
    truth, image = pair
    other = scores(gain * truth + offset, gain_2 * image + offset_2, True)
    assert other == pytest.approx(scores(*pair, True), rel=1e-5, abs=1e-7)


@few
@given(specimens(), st.booleans(), st.data())
def test_scores_do_not_change_with_the_way_a_volume_is_turned(pair, is_input, data):
    order = data.draw(st.permutations(range(pair[0].ndim)))
    mirrored = data.draw(st.sets(st.sampled_from(range(pair[0].ndim))))
    turned = [np.flip(np.transpose(image, order), tuple(mirrored)) for image in pair]
    assert scores(*turned, is_input) == pytest.approx(scores(*pair, is_input), rel=1e-5, abs=1e-7)


@few
@given(specimens(), st.booleans())
def test_scores_are_in_their_range(pair, is_input):
    found = scores(*pair, is_input)
    for (_, metric), value in found.items():
        assert np.isfinite(value)
        assert metric != "nrmse" or value >= 0
        assert metric != "ssim" or -1 <= value <= 1
    assert found["paper", "psnr"] == pytest.approx(-20 * np.log10(found["paper", "nrmse"]))


@few
@given(specimens())
def test_a_fitted_restoration_scores_better_than_one_that_is_not(pair):
    """The 2019 study's input is not fitted."""
    fitted = scores(*pair, False)["study2019", "nrmse"]
    assert fitted <= scores(*pair, True)["study2019", "nrmse"] + 1e-9
