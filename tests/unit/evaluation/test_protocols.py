"""Scores: both protocols against the formulas of the study, and against the stock calls."""

import tracemalloc

import numpy as np
import pytest
from csbdeep.utils import normalize, normalize_minmse
from formulas import least_squares, n, specimen, windowed_ssim
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

import denoising.images.percentiles
from denoising.evaluation import columns
from denoising.evaluation.moments import least_squares_fit, nrmse
from denoising.evaluation.protocols import PROTOCOLS, Protocol, score_pair, score_volume
from denoising.images.percentiles import normalisation
from denoising.images.volumes import Pair, write_volume

BOTH = ["paper", "study2019"]


def expected_paper(truth, q):
    y = n(truth, 0.1, 99.9)
    y, q = y - y.sum() / y.size, q.astype(float) - q.astype(float).sum() / q.size
    a = ((q * y).sum() / (q.size - 1)) / ((q**2).sum() / q.size)
    mse = ((y - a * q) ** 2).sum() / y.size
    return {"nrmse": mse**0.5, "psnr": 10 * np.log10(1 / mse), "ssim": windowed_ssim(y, a * q, 1)}


def expected_study2019(truth, compared):
    y = n(truth, 0.1, 99.9)
    return {
        "nrmse": (((y - compared) ** 2).sum() / y.size) ** 0.5,
        "ssim": windowed_ssim(y, compared, 2),
    }


def scores(truth, image, protocol, is_input=False):
    return {row["metric"]: row["value"] for row in score_volume(truth, image, [protocol], is_input)}


@pytest.fixture(params=[(8, 8, 8), (7, 7, 7), (7, 9, 8), (9, 10)], ids=str)
def truth(request):
    """A smooth ground truth in camera counts."""
    grid = np.meshgrid(*(np.linspace(0, 3, size) for size in request.param), indexing="ij")
    return (200 + 3000 * np.sin(sum((i + 1) * g for i, g in enumerate(grid))) ** 2).astype(
        np.uint16
    )


@pytest.fixture
def noisy(truth):
    return np.random.default_rng(1).poisson(truth / 20).astype(np.uint16)


@pytest.fixture
def restored(truth):
    """A restoration in the normalised input's units, with an offset and a gain of its own."""
    error = np.random.default_rng(2).normal(0, 0.05, truth.shape)
    return (0.3 + 0.6 * truth / 3200 + error).astype(np.float32)


# Known answers


def test_paper_protocol_of_a_restoration_is_the_formula(truth, restored):
    assert scores(truth, restored, "paper") == pytest.approx(
        expected_paper(truth, restored), rel=1e-5
    )


def test_paper_protocol_of_the_input_is_the_formula_of_the_normalised_input(truth, noisy):
    expected = expected_paper(truth, n(noisy, 3, 99.8))
    assert scores(truth, noisy, "paper", is_input=True) == pytest.approx(expected, rel=1e-5)


def test_study2019_protocol_of_a_restoration_is_the_least_squares_fit(truth, restored):
    expected = expected_study2019(truth, least_squares(n(truth, 0.1, 99.9), restored))
    assert scores(truth, restored, "study2019") == pytest.approx(expected, rel=1e-5)


def test_study2019_protocol_of_the_input_is_not_rescaled(truth, noisy):
    expected = expected_study2019(truth, n(noisy, 3, 99.8))
    assert scores(truth, noisy, "study2019", is_input=True) == pytest.approx(expected, rel=1e-5)


def test_rows_are_tidy_and_in_the_order_asked(truth, restored):
    rows = score_volume(truth, restored, BOTH)
    assert [(row["protocol"], row["metric"]) for row in rows] == [
        ("paper", "nrmse"),
        ("paper", "psnr"),
        ("paper", "ssim"),
        ("study2019", "nrmse"),
        ("study2019", "ssim"),
    ]
    assert all(type(row["value"]) is float for row in rows)
    assert [row["protocol"] for row in score_volume(truth, restored, ["study2019"])] == [
        "study2019"
    ] * 2


def test_protocols_are_never_mixed(truth, restored):
    rows = score_volume(truth, restored, BOTH)
    alone = [row for protocol in BOTH for row in score_volume(truth, restored, [protocol])]
    assert rows == alone


# Invariances


def test_an_unfitted_input_scores_worse_than_a_fitted_one(truth, noisy):
    as_input = scores(truth, noisy, "study2019", is_input=True)
    as_restoration = scores(truth, n(noisy, 3, 99.8), "study2019")
    assert as_input["nrmse"] > as_restoration["nrmse"]


def test_a_perfect_restoration_has_no_error(truth):
    perfect = n(truth, 0.1, 99.9)
    assert scores(truth, perfect, "study2019") == pytest.approx({"nrmse": 0, "ssim": 1}, abs=1e-6)
    # n - 1 over n makes the paper's scale too large by 1 / (n - 1): its error is not quite zero
    paper = scores(truth, perfect, "paper")
    assert paper["nrmse"] == pytest.approx(perfect.std() / (truth.size - 1), rel=1e-3)
    assert paper["ssim"] == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("percentiles", [(0.1, 99.9), (3, 99.8)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_normalisation_is_csbdeeps(noisy, percentiles, dtype):
    image = noisy.astype(dtype)
    gain, offset = normalisation(image, *percentiles)
    normalised = gain * image.astype(float) + offset
    np.testing.assert_allclose(normalised, normalize(image, *percentiles), atol=1e-6)
    np.testing.assert_allclose(normalised, n(image, *percentiles), atol=1e-9)


# The same as the stock calls in float64, on awkward images


def stock_scores(truth, image, is_input):
    """Every value of both protocols by csbdeep, scikit-image and numpy alone."""
    y = normalize(truth, 0.1, 99.9, dtype=np.float64)
    q = normalize(image, 3, 99.8, dtype=np.float64) if is_input else image.astype(np.float64)
    target, rescaled = y - y.mean(), q - q.mean()
    rescaled *= np.cov(rescaled.ravel(), target.ravel())[0, 1] / np.var(rescaled)
    compared = q if is_input else normalize_minmse(q, y)
    return {
        ("paper", "nrmse"): np.sqrt(mean_squared_error(target, rescaled)),
        ("paper", "psnr"): peak_signal_noise_ratio(target, rescaled, data_range=1),
        ("paper", "ssim"): structural_similarity(target, rescaled, data_range=1),
        ("study2019", "nrmse"): np.sqrt(mean_squared_error(y, compared)),
        ("study2019", "ssim"): structural_similarity(y, compared, data_range=2),
    }


def with_constant_slabs():
    truth, image = specimen((40, 24, 25))
    truth[:20], image[:18] = 100, 100
    return truth, image


def with_hot_pixels():
    truth, image = specimen((9, 30, 31), np.float32)
    truth[4, 5, 6], image[4, 20, 6] = 1e7, -1e7
    return truth, image


AWKWARD = {
    "odd": lambda: specimen((17, 33, 29)),
    "a window thick": lambda: specimen((7, 20, 31)),
    "two slabs and strips": lambda: specimen((33, 300, 131)),
    "large offset": lambda: specimen((11, 21, 20), offset=63_000),
    "larger offset": lambda: specimen((11, 21, 20), np.float64, offset=1e9),
    "signed": lambda: specimen((9, 12, 13), np.int32, offset=-50_000),
    "8 bits": lambda: tuple(image // 10 for image in specimen((9, 12, 13), np.uint16)),
    "big-endian": lambda: specimen((9, 12, 13), ">u2"),
    "constant slabs": with_constant_slabs,
    "hot pixels": with_hot_pixels,
    "2D": lambda: specimen((45, 61)),
    "2D in strips": lambda: specimen((700, 150)),
}


@pytest.mark.parametrize("is_input", [True, False], ids=["input", "restoration"])
@pytest.mark.parametrize("case", AWKWARD)
def test_scores_are_those_of_the_stock_calls_in_float64(case, is_input):
    truth, image = AWKWARD[case]()
    if not is_input:
        image = (image / 3000 - 0.2).astype(np.float64 if case == "larger offset" else np.float32)
    rows = score_volume(truth, image, BOTH, is_input)
    values = {(row["protocol"], row["metric"]): row["value"] for row in rows}
    assert values == pytest.approx(stock_scores(truth, image, is_input), rel=1e-5, abs=1e-5)


def test_a_protocol_of_ones_own_is_scored_as_the_formulas_say(truth, noisy):
    """The steps between the two protocols, one at a time."""
    y, x = n(truth, 0.1, 99.9), n(noisy, 3, 99.8)
    rescaled = least_squares(y, x)
    between = {
        "rescaled": Protocol(
            least_squares_fit, rescales_input=True, data_range=2, metrics=("ssim", "nrmse")
        ),
        "data_range": Protocol(
            least_squares_fit, rescales_input=True, data_range=1, metrics=("ssim",)
        ),
    }
    values = [
        row["value"] for row in score_volume(truth, noisy, between | PROTOCOLS, is_input=True)
    ]
    expected = [windowed_ssim(y, rescaled, 2), nrmse(y, rescaled), windowed_ssim(y, rescaled, 1)]
    assert values[:3] == pytest.approx(expected, rel=1e-6)
    assert values[3:] == [row["value"] for row in score_volume(truth, noisy, BOTH, is_input=True)]


# By slabs, on threads


def test_scores_are_the_same_to_the_bit_on_any_number_of_threads():
    truth, image = specimen((60, 120, 130))
    rows = score_volume(truth, image, BOTH, is_input=True)
    assert all(
        score_volume(truth, image, BOTH, is_input=True, threads=threads) == rows
        for threads in (2, 3, 8)
    )


class OnDisk:
    """A volume that gives no more than slabs of planes, or of their rows."""

    def __init__(self, volume, repeats=1):
        self.planes, self.repeats, self.dtype = volume, repeats, volume.dtype
        self.shape = (repeats * len(volume), *volume.shape[1:])
        self.most = 0

    def __getitem__(self, part):
        planes, *rest = part if isinstance(part, tuple) else (part,)
        self.most = max(self.most, planes.stop - planes.start)
        return self.planes[np.arange(planes.start, planes.stop) % len(self.planes)][:, *rest]


def test_volumes_are_read_by_slabs():
    truth, image = specimen((50, 20, 21))
    lazy = OnDisk(truth), OnDisk(image)
    assert score_volume(*lazy, BOTH, is_input=True) == score_volume(
        truth, image, BOTH, is_input=True
    )
    short = OnDisk(np.repeat(truth, 80, axis=2)), OnDisk(np.repeat(image, 80, axis=2))
    score_volume(*short, BOTH, is_input=True)
    assert max(volume.most for volume in short) < len(truth)


def peak_of(truth, image, threads=1):
    """Most bytes that the scoring takes at a time."""
    tracemalloc.start()
    score_volume(truth, image, BOTH, is_input=True, threads=threads)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_does_not_grow_with_the_volume():
    """But with the threads, each of which has a slab, if it finds the time."""
    truth, image = specimen((8, 150, 150))
    short, long = ((OnDisk(truth, repeats), OnDisk(image, repeats)) for repeats in (5, 25))
    least = peak_of(*short)
    assert peak_of(*long) < 1.1 * least
    assert peak_of(*long, threads=2) < 2.2 * least


def test_memory_does_not_grow_with_the_planes(monkeypatch):
    monkeypatch.setattr(denoising.images.percentiles, "BLOCK", 2**14)
    small, large = (
        [np.repeat(values, repeats, axis=1) for values in specimen((8, 150, 150))]
        for repeats in (5, 25)
    )
    assert peak_of(*large) < 1.2 * peak_of(*small)


# What cannot be scored


def test_shapes_must_be_the_same(truth, restored):
    with pytest.raises(ValueError, match="expected one shape"):
        score_volume(truth, restored[1:], BOTH)


@pytest.mark.parametrize("shape", [(6, 20, 20), (20, 20, 4), (6, 9)])
def test_images_thinner_than_the_window_are_refused(shape):
    image = np.random.default_rng(0).random(shape)
    with pytest.raises(ValueError, match=r"SSIM's window is \(7, 7"):
        score_volume(image, image, BOTH)


def test_by_plane_only_ssim_is_that_of_planes():
    truth, low = specimen((9, 20, 24))
    whole = score_volume(truth, low, BOTH, is_input=True)
    planes = score_volume(truth, low, BOTH, is_input=True, by_plane=True)
    for row, other in zip(whole, planes, strict=True):
        assert (row["value"] == other["value"]) is (row["metric"] != "ssim")


def test_ssim_by_plane_has_the_fit_and_the_range_of_the_volume():
    truth, low = specimen((3, 20, 24))
    y, q = n(truth, 0.1, 99.9), low - low.mean()
    y = y - y.mean()
    q = q * (q * y).sum() / (q**2).sum() * q.size / (q.size - 1)
    each = [
        structural_similarity(*pair, win_size=7, data_range=1) for pair in zip(y, q, strict=True)
    ]
    rows = score_volume(truth, low, ["paper"], by_plane=True)
    found = {row["metric"]: row["value"] for row in rows}
    assert found["ssim"] == pytest.approx(np.mean(each), rel=1e-5)
    # A gain and an offset of the image change no score
    for row in score_volume(truth, 3.0 * low + 70, ["paper"], by_plane=True):
        assert row["value"] == pytest.approx(found[row["metric"]], rel=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["truth", "image"])
def test_nan_and_infinity_are_refused(truth, restored, bad, name):
    images = {"truth": truth.astype(np.float32), "image": restored}
    images[name].flat[5] = bad
    with pytest.raises(ValueError, match="NaN or infinite"):
        score_volume(images["truth"], images["image"], BOTH)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("unit", [1e160, 1e-200])
@pytest.mark.parametrize("is_input", [True, False])
def test_values_whose_squares_have_no_room_are_refused(unit, is_input):
    """Else their scores are NaN."""
    rng = np.random.default_rng(0)
    truth = unit * rng.random((9, 16, 16))
    image = truth + unit * rng.normal(0, 0.1, truth.shape)
    with pytest.raises(ValueError, match="too large or too small to be squared.* in other units"):
        score_volume(truth, image, ["paper"], is_input)


@pytest.mark.parametrize("protocol", BOTH)
@pytest.mark.parametrize("value", [0, 1, np.float32(0.1)])
def test_constant_restorations_are_refused(truth, protocol, value):
    with pytest.raises(ValueError, match="constant"):
        score_volume(truth, np.full(truth.shape, value), [protocol])


@pytest.mark.parametrize("protocol", BOTH)
def test_constant_float64_restorations_are_refused(protocol):
    truth = np.random.default_rng(0).random((8, 8, 8))
    with pytest.raises(ValueError, match="constant"):
        score_volume(truth, np.full(truth.shape, 0.1), [protocol])


@pytest.mark.parametrize("value", [0, 100])
def test_constant_truth_and_constant_input_are_refused(truth, restored, value):
    flat = np.full(truth.shape, value, np.uint16)
    for pair, is_input, name in (
        ((flat, restored), False, "ground truth"),
        ((truth, flat), True, "input"),
    ):
        with pytest.raises(
            ValueError, match=f"percentiles .* of the {name} are both {value}: a constant"
        ):
            score_volume(*pair, BOTH, is_input)


def test_an_inverted_restoration_is_scored_with_a_warning(caplog, truth, restored):
    expected = score_volume(truth, restored, BOTH)
    assert not caplog.messages
    for row, other in zip(score_volume(truth, -restored, BOTH), expected, strict=True):
        assert row["value"] == pytest.approx(other["value"], rel=1e-9)
    assert "correlates negatively" in caplog.text


# On disk, and in memory


@pytest.fixture
def pair(tmp_path, truth, noisy, restored):
    axes = "ZYX"[-truth.ndim :]
    for name, image in (("truth", truth), ("C1", noisy), ("restored/C1", restored)):
        write_volume(tmp_path / name / "worm-live.tif", image, axes)
    return Pair(
        "worm-live", "C1", axes, tmp_path / "C1/worm-live.tif", tmp_path / "truth/worm-live.tif"
    )


def test_pairs_are_scored_from_their_files(tmp_path, pair, truth, noisy, restored):
    keys = {"condition": "C1", "volume": "worm-live", "stratum": "live"}
    window = {"window": "x".join("7" * truth.ndim)}

    def expected(*images):
        rows = score_volume(*images)
        return [keys | row | (window if row["metric"] == "ssim" else {}) for row in rows]

    scored = score_pair(pair, tmp_path / "restored", BOTH, "-(live|fixed)")
    assert scored == expected(truth, restored, BOTH)
    assert score_pair(pair, None, BOTH, "-(live|fixed)") == expected(truth, noisy, BOTH, True)
    assert set().union(*scored) < set(columns.IMAGE_SCORES)


def test_a_pair_that_cannot_be_scored_is_named(tmp_path, pair, truth):
    write_volume(
        tmp_path / "restored/C1/worm-live.tif", np.full(truth.shape, np.nan, np.float32), pair.axes
    )
    with pytest.raises(
        ValueError, match=r"restored/C1/worm-live\.tif against .*truth/worm-live\.tif: .*NaN"
    ):
        score_pair(pair, tmp_path / "restored", BOTH, "-(live|fixed)")
