"""Scores of pairs from their files, and what is said of images that score badly or not at all."""

import numpy as np
import pytest
import tifffile
from formulas import specimen

from denoising.evaluation.protocols import names_of, score_pair, score_volume
from denoising.images.volumes import Pair, write_volume

BOTH = ["paper", "study2019"]


def test_a_pair_that_is_scored_by_plane_has_a_window_in_the_plane(tmp_path):
    truth, low = specimen((9, 20, 24))
    write_volume(tmp_path / "truth.tif", truth, "ZYX")
    write_volume(tmp_path / "low.tif", low, "ZYX")
    pair = Pair("low", "C1", "ZYX", tmp_path / "low.tif", tmp_path / "truth.tif", by_plane=True)
    rows = score_pair(pair, None, BOTH, None)
    expected = score_volume(truth, low, BOTH, is_input=True, by_plane=True)
    assert [row["value"] for row in rows] == [row["value"] for row in expected]
    assert {row["metric"]: row.get("window") for row in rows} == {
        "nrmse": None, "psnr": None, "ssim": "7x7",
    }  # fmt: skip


def test_compressed_files_are_decoded_in_the_folder_for_that(tmp_path):
    truth, noisy = specimen((8, 9, 10))
    pair = Pair("low", "C1", "ZYX", tmp_path / "low.tif", tmp_path / "truth.tif")
    for file, image in ((pair.truth, truth), (pair.image, noisy)):
        tifffile.imwrite(file, image, compression="zlib", metadata={"axes": pair.axes})
    (tmp_path / "scratch").mkdir()
    rows = score_pair(pair, None, BOTH, None, scratch=tmp_path / "scratch")
    assert [row["value"] for row in rows] == [
        row["value"] for row in score_volume(truth, noisy, BOTH, is_input=True)
    ]
    with pytest.raises(FileNotFoundError, match="missing"):
        score_pair(pair, None, BOTH, None, scratch=tmp_path / "missing")


@pytest.mark.parametrize(
    ("stratum", "expected"), [("-(live|fixed)", "live"), ("-(fixed)", ""), (None, ""), ("", "")]
)
def test_a_score_names_condition_volume_and_stratum(stratum, expected):
    assert names_of("C1", "worm-live", stratum) == {
        "condition": "C1", "volume": "worm-live", "stratum": expected,
    }  # fmt: skip


# Remarks and refusals in full

WARNING = (
    "the image correlates negatively or not at all with the ground truth; it is scored all the same"
)


def ramps():
    """Two images that correlate by exactly nothing: one grows along Y, the other along X."""
    rows, columns = np.meshgrid(np.arange(8.0), np.arange(8.0), indexing="ij")
    return rows, columns


def test_an_image_without_correlation_is_warned_of_in_a_sentence(caplog):
    score_volume(*ramps(), BOTH)
    assert caplog.messages == [WARNING]


@pytest.mark.parametrize("unit", [1e-9, 1e9])
def test_faint_units_are_no_reason_to_warn(caplog, unit):
    truth, image = specimen((8, 9, 10))
    score_volume(truth, unit * image.astype(float), BOTH)
    assert not caplog.messages


def test_a_sparse_restoration_is_scored_where_a_sparse_input_is_refused():
    """Its percentiles are one value, but a restoration is not normalised by them."""
    sparse = np.zeros((20, 30))
    sparse[9, 9] = 1
    truth = np.add.outer(np.arange(20.0), np.arange(30.0))
    assert all(np.isfinite(row["value"]) for row in score_volume(truth, sparse, BOTH))
    with pytest.raises(ValueError, match="percentiles 3 and 99.8 of the input are both 0"):
        score_volume(truth, sparse, BOTH, is_input=True)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_scores_that_are_no_numbers_are_refused_in_a_sentence():
    rng = np.random.default_rng(0)
    truth = 1e160 * rng.random((9, 16))
    with pytest.raises(ValueError) as error:
        score_volume(truth, truth + 1e159 * rng.random(truth.shape), ["paper"])
    assert str(error.value) == (
        "values of the ground truth or of the image are too large or too small to be squared, so"
        " that a score is not a number; save both in other units."
    )
