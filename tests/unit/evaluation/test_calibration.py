"""Calibration: known answers for errors of a known law, and the definition written out voxel by
voxel.
"""

import shutil
import tracemalloc

import numpy as np
import pytest
from csbdeep.utils import normalize, normalize_minmse

import denoising.images.percentiles
from denoising.evaluation import columns
from denoising.evaluation.calibration import calibrate_pair
from denoising.evaluation.calibration import calibrate_volume as calibrate_predicted
from denoising.evaluation.conformal import LEVELS, Factors, nominal_score
from denoising.evaluation.laplace import Predicted
from denoising.images.volumes import Pair, write_volume

UNCHANGED = Factors(100, 10, (1.0,) * len(LEVELS), 1.0)
DOUBLED = Factors(100, 10, (2.0,) * len(LEVELS), 2.0)


def values(rows, kind, name, intervals="predicted"):
    return np.array(
        [row[name] for row in rows if (row["kind"], row["intervals"]) == (kind, intervals)]
    )


def calibrate_volume(truth, restored, scale, threads=1, factors=UNCHANGED):
    """The rows of one network."""
    return calibrate_predicted(truth, Predicted([restored], [scale]), factors, threads)


def predicted(shape, factor=1.0, seed=0):
    """Truth in camera counts, a mean with Laplace errors, and the scale of those errors times
    `factor`.

    The truth lies between 0 and 1 with a thousandth of it at either end, so its normalisation
    changes nothing but units; and with errors this small the fit shrinks nothing (least squares
    shrink a noisy image).
    """
    rng = np.random.default_rng(seed)
    truth = np.clip(rng.uniform(-0.01, 1.01, shape), 0, 1)
    scale = rng.uniform(0.0002, 0.002, shape)
    mean = truth + rng.laplace(0, scale)
    return 200 + 3000 * truth, mean.astype(np.float32), (factor * scale).astype(np.float32)


# Known answers


def test_a_network_that_knows_its_error_is_calibrated():
    rows = calibrate_volume(*predicted((30, 100, 100)))
    # 0.004 is over four standard deviations of a share among 300,000 voxels
    np.testing.assert_allclose(values(rows, "coverage", "observed"), LEVELS, atol=0.004)
    np.testing.assert_allclose(
        values(rows, "scale", "observed"), values(rows, "scale", "expected"), rtol=0.03
    )


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_wrong_scales_give_the_coverage_that_follows(factor):
    """|e| <= -k s ln(1 - level) has the probability 1 - (1 - level)^k."""
    rows = calibrate_volume(*predicted((30, 100, 100), factor))
    expected = 1 - (1 - np.array(LEVELS)) ** factor
    np.testing.assert_allclose(values(rows, "coverage", "observed"), expected, atol=0.004)
    np.testing.assert_allclose(
        values(rows, "scale", "expected"), factor * values(rows, "scale", "observed"), rtol=0.03
    )


def test_factors_rescale_intervals_and_errors():
    """A network that is too sure of itself by a factor of two."""
    rows = calibrate_volume(*predicted((30, 100, 100), 0.5), factors=DOUBLED)
    np.testing.assert_allclose(values(rows, "coverage", "observed", "rescaled"), LEVELS, atol=0.004)
    for name, factor in (("expected", 2.0), ("observed", 1.0), ("count", 1.0)):
        before, after = (values(rows, "scale", name, kind) for kind in ("predicted", "rescaled"))
        np.testing.assert_allclose(after, factor * before)


def test_an_infinite_factor_holds_every_voxel():
    factors = Factors(3, 10, (*(1.0,) * 18, np.inf), 1.0)
    rows = calibrate_volume(*predicted((8, 20, 20)), factors=factors)
    assert values(rows, "coverage", "observed", "rescaled")[-1] == 1
    assert values(rows, "coverage", "observed", "rescaled")[-2] < 1


def test_an_ensemble_of_one_network_twice_is_that_network():
    truth, restored, scale = predicted((8, 20, 20))
    alone = calibrate_volume(truth, restored, scale, factors=DOUBLED)
    twice = calibrate_predicted(truth, Predicted([restored] * 2, [scale] * 2), DOUBLED)
    for one, other in zip(alone, twice, strict=True):
        assert one == pytest.approx(other, rel=1e-6)


def test_an_ensemble_is_calibrated_if_the_truth_is_a_draw_from_its_mixture():
    """A draw from the mixture of two networks is one from a network that chance picks."""
    truth, _, scale = predicted((30, 100, 100))
    rng = np.random.default_rng(1)
    distance = np.where(rng.random(truth.shape) < 0.5, 0.003, -0.003)
    scales = [scale, 2 * scale]
    noise = rng.laplace(0, np.where(distance > 0, *scales))
    centre = (truth - 200) / 3000 - distance - noise
    networks = Predicted([centre + 0.003, centre - 0.003], scales)
    rows = calibrate_predicted(truth, networks, UNCHANGED)
    np.testing.assert_allclose(values(rows, "coverage", "observed"), LEVELS, atol=0.005)
    expected, observed = (values(rows, "scale", name) for name in ("expected", "observed"))
    np.testing.assert_allclose(observed, expected, rtol=0.03)


def test_levels_and_bins_are_what_they_are_called():
    rows = calibrate_volume(*predicted((10, 20, 30)))
    assert list(values(rows, "coverage", "level")) == [round(0.05 * i, 2) for i in range(1, 20)]
    assert list(values(rows, "coverage", "expected")) == list(LEVELS)
    assert set(values(rows, "coverage", "count")) == {6000}
    assert list(values(rows, "scale", "level")) == list(range(10))
    assert set(values(rows, "scale", "count")) == {600}
    assert (np.diff(values(rows, "scale", "expected")) > 0).all()


# The definition, by csbdeep's normalisation and fit, with all voxels at hand


def defined(truth, restored, scale):
    y = normalize(truth, 0.1, 99.9, dtype=np.float64).ravel()
    fitted = normalize_minmse(restored.astype(np.float64), y.reshape(truth.shape)).ravel()
    a, _ = np.polyfit(restored.ravel().astype(np.float64), y, 1)
    s, error = abs(a) * scale.ravel().astype(np.float64), np.abs(y - fitted)
    coverage = [np.mean(error <= -s * np.log(1 - level)) for level in LEVELS]
    tenths = np.array_split(np.argsort(s, kind="stable"), 10)
    return (
        coverage,
        [s[tenth].mean() for tenth in tenths],
        [error[tenth].mean() for tenth in tenths],
    )


@pytest.mark.parametrize("shape", [(10, 11, 13), (7, 30, 10), (40, 50)], ids=str)
@pytest.mark.parametrize("block", [1, 330, 10**6])
def test_values_are_the_definition_whatever_the_blocks(shape, block, monkeypatch):
    monkeypatch.setattr(denoising.images.percentiles, "BLOCK", block)
    truth, restored, scale = predicted(shape)
    truth, restored = truth.astype(np.uint16), 0.3 + 0.6 * restored + 0.1 * restored**2
    rows = calibrate_volume(truth, restored, scale)
    coverage, scales, errors = defined(truth, restored, scale)
    # No more than one voxel may lie on the other side of a level, by rounding
    np.testing.assert_allclose(
        values(rows, "coverage", "observed"), coverage, atol=1.01 / truth.size
    )
    if truth.size % 10 == 0:
        np.testing.assert_allclose(values(rows, "scale", "expected"), scales, rtol=1e-6)
        np.testing.assert_allclose(values(rows, "scale", "observed"), errors, rtol=1e-5)


def test_nominal_scores_are_those_of_laplace():
    assert nominal_score(0.95) == pytest.approx(np.log(20))


def test_rows_are_the_same_for_any_number_of_threads(monkeypatch):
    monkeypatch.setattr(denoising.images.percentiles, "BLOCK", 500)
    images = predicted((12, 20, 20))
    assert calibrate_volume(*images, threads=3) == calibrate_volume(*images)


@pytest.mark.parametrize(("gain", "offset"), [(3.0, -2.0), (-0.01, 1.0), (1.0, 1e4)])
def test_restorations_may_come_in_any_units(gain, offset):
    truth, restored, scale = (image.astype(np.float64) for image in predicted((8, 20, 20)))
    rows = calibrate_volume(truth, gain * restored + offset, abs(gain) * scale)
    expected = calibrate_volume(truth, restored, scale)
    for name in ("expected", "observed", "count"):
        values = [row[name] for row in rows]
        np.testing.assert_allclose(
            values, [row[name] for row in expected], rtol=1e-6, atol=1.01 / truth.size
        )


def test_truth_may_come_in_any_units():
    truth, restored, scale = predicted((8, 20, 20))
    rows, expected = (
        calibrate_volume(7 * truth + 1e5, restored, scale),
        calibrate_volume(truth, restored, scale),
    )
    for name in ("expected", "observed"):
        np.testing.assert_allclose(
            [row[name] for row in rows],
            [row[name] for row in expected],
            rtol=1e-6,
            atol=1.01 / truth.size,
        )


def test_one_scale_for_all_voxels_fills_one_bin():
    truth, restored, scale = predicted((8, 20, 20))
    rows = calibrate_volume(truth, restored, np.full_like(scale, 0.001))
    assert list(values(rows, "scale", "count")) == [truth.size]


# What cannot be compared


def test_shapes_must_be_the_same():
    truth, restored, scale = predicted((8, 9, 10))
    for wrong in (
        (truth[1:], restored, scale),
        (truth, restored[1:], scale),
        (truth, restored, scale[1:]),
    ):
        with pytest.raises(ValueError, match="expected one shape"):
            calibrate_volume(*wrong)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
def test_scales_that_are_none_are_refused(bad):
    truth, restored, scale = predicted((8, 9, 10))
    scale[3, 4, 5] = bad
    with pytest.raises(ValueError, match="the scale holds"):
        calibrate_volume(truth, restored, scale)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("index", [0, 1])
def test_nan_and_infinity_are_refused(bad, index):
    images = predicted((8, 9, 10))
    images[index][3, 4, 5] = bad
    with pytest.raises(ValueError, match="NaN or infinite"):
        calibrate_volume(*images)


@pytest.mark.parametrize(
    ("index", "message"), [(0, "percentiles .* both 7"), (1, "the image is constant")]
)
def test_constant_images_are_refused(index, message):
    images = list(predicted((8, 9, 10)))
    images[index] = np.full_like(images[index], 7)
    with pytest.raises(ValueError, match=message):
        calibrate_volume(*images)


# On disk, and in memory


def written(folder, shape):
    truth, restored, scale = predicted(shape)
    for name, image in (
        ("truth", truth.astype(np.uint16)),
        ("restored/C1", restored),
        ("restored/scale/C1", scale),
    ):
        write_volume(folder / name / "worm.tif", image, "ZYX"[-len(shape) :])
    return Pair("worm", "C1", "ZYX"[-len(shape) :], folder / "noisy.tif", folder / "truth/worm.tif")


@pytest.mark.parametrize("shape", [(8, 20, 20), (40, 50)])
def test_pairs_are_compared_from_their_files(tmp_path, shape):
    truth, restored, scale = predicted(shape)
    expected = calibrate_volume(truth.astype(np.uint16), restored, scale)
    rows = calibrate_pair(written(tmp_path, shape), [tmp_path / "restored"], UNCHANGED)
    assert rows == [{"condition": "C1", "volume": "worm"} | row for row in expected]
    assert set(rows[0]) == set(columns.CALIBRATION)


def test_a_missing_scale_is_named(tmp_path):
    pair = written(tmp_path, (8, 9, 10))
    shutil.rmtree(tmp_path / "restored/scale")
    with pytest.raises(ValueError, match=r"restored/scale/C1: the predicted scale is missing"):
        calibrate_pair(pair, [tmp_path / "restored"], UNCHANGED)


def test_a_pair_that_cannot_be_compared_is_named(tmp_path):
    pair = written(tmp_path, (8, 9, 10))
    write_volume(tmp_path / "restored/C1/worm.tif", np.zeros((8, 9, 10), np.float32), "ZYX")
    with pytest.raises(
        ValueError, match=r"restored/C1/worm\.tif against .*truth/worm\.tif: the image is constant"
    ):
        calibrate_pair(pair, [tmp_path / "restored"], UNCHANGED)


@pytest.mark.parametrize(
    "shape", [(96, 160, 160), (8, 160, 1920)], ids=["many planes", "large planes"]
)
def test_memory_is_that_of_a_block_a_thread(shape, tmp_path, monkeypatch):
    """Five float64 values of each voxel of a block, at most, and the histograms of percentiles."""
    monkeypatch.setattr(denoising.images.percentiles, "BLOCK", 2**14)
    pair = written(tmp_path, shape)
    tracemalloc.start()
    try:
        calibrate_pair(pair, [tmp_path / "restored"], UNCHANGED, threads=4)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    histograms = 2**16 * 8 * 20
    assert peak < 4 * 5 * 8 * 2**14 + histograms < 8 * np.prod(shape)
