"""The steps from the 2019 study's numbers to the paper's: its ends are the two protocols, its steps
the formulas.
"""

import numpy as np
import pytest
from csbdeep.utils import normalize, normalize_minmse
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity

from denoising.evaluation import columns
from denoising.evaluation.other_scorers import unifmir_scores, zerocost_scores
from denoising.evaluation.protocol_ladder import LABELS, score_protocol_steps
from denoising.evaluation.protocols import score_volume
from denoising.images.volumes import Pair, write_volume


@pytest.fixture(params=[(8, 30, 31), (40, 41)], ids=str)
def images(request):
    """Truth and noisy stack in camera counts; restorations of the noisy and of the clean stack."""
    rng = np.random.default_rng(0)
    smooth = gaussian_filter(rng.normal(size=request.param), 2)
    truth = (200 + 3000 * (smooth - smooth.min()) / np.ptp(smooth)).astype(np.uint16)
    return {
        "truth": truth,
        "noisy": rng.poisson(truth / 100).astype(np.uint16),
        "network": (0.2 + 0.5 * truth / 3200 + rng.normal(0, 0.05, truth.shape)).astype(np.float32),
        "clean_network": (
            (0.1 + 0.9 * truth / 3200 + rng.normal(0, 0.02, truth.shape)).astype(np.float32)
        ),
    }


@pytest.fixture
def scored_steps(tmp_path, images):
    """{(output, step, metric): value}, with or without the swapped step."""
    axes = "ZYX"[-images["truth"].ndim :]
    places = {
        "truth": "truth",
        "noisy": "1",
        "network": "restored/1",
        "clean_network": "restored_truth/truth",
    }
    for name, place in places.items():
        write_volume(tmp_path / place / "worm.tif", images[name], axes)
    pair = Pair("worm", "1", axes, tmp_path / "1/worm.tif", tmp_path / "truth/worm.tif")

    def scored_steps(swapped):
        rows = score_protocol_steps(
            pair, tmp_path / "restored", tmp_path / "restored_truth" if swapped else None
        )
        assert all(set(row) == set(columns.PROTOCOL_STEPS) - {"dataset", "model"} for row in rows)
        assert {(row["condition"], row["volume"]) for row in rows} == {("1", "worm")}
        assert all(row["label"] == LABELS[row["step"]] for row in rows)
        values = {(row["output"], row["step"], row["metric"]): row["value"] for row in rows}
        assert len(values) == len(rows)
        return values

    return scored_steps


def of_step(values, output, step):
    return {metric: values[output, step, metric] for metric in ("nrmse", "ssim")}


def scored(truth, image, protocol, is_input):
    rows = score_volume(truth, image, [protocol], is_input)
    return {row["metric"]: row["value"] for row in rows if row["metric"] != "psnr"}


def compared(target, image, data_range):
    """NRMSE and SSIM by numpy and scikit-image."""
    return {
        "nrmse": np.sqrt(np.mean((target - image) ** 2)),
        "ssim": structural_similarity(target, image, win_size=7, data_range=data_range),
    }


def n(image, low, high):
    return normalize(image, low, high, dtype=np.float64)


@pytest.mark.parametrize("output", ["input", "network"])
def test_ends_are_the_two_protocols_exactly(scored_steps, images, output):
    values = scored_steps(swapped=True)
    image, is_input = images["noisy" if output == "input" else "network"], output == "input"
    assert of_step(values, output, 1) == scored(images["truth"], image, "study2019", is_input)
    assert of_step(values, output, 4) == scored(images["truth"], image, "paper", is_input)


def test_the_first_step_swaps_the_roles(scored_steps, images):
    """As the 2019 script has it: the noisy stack in the place of the truth, the clean one in that
    of the input.
    """
    values = scored_steps(swapped=True)
    y, x = n(images["noisy"], 0.1, 99.9), n(images["truth"], 3, 99.8)
    assert of_step(values, "input", 0) == pytest.approx(compared(y, x, 2), rel=1e-5)
    restored = normalize_minmse(images["clean_network"].astype(np.float64), y)
    assert of_step(values, "network", 0) == pytest.approx(compared(y, restored, 2), rel=1e-5)


def test_steps_between_are_the_formulas(scored_steps, images):
    values = scored_steps(swapped=False)
    y = n(images["truth"], 0.1, 99.9)
    for output, image in (
        ("input", n(images["noisy"], 3, 99.8)),
        ("network", images["network"].astype(np.float64)),
    ):
        fitted = normalize_minmse(image, y)
        assert of_step(values, output, 2) == pytest.approx(compared(y, fitted, 2), rel=1e-5)
        assert of_step(values, output, 3) == pytest.approx(compared(y, fitted, 1), rel=1e-5)


def test_each_step_changes_what_it_is_called_for(scored_steps):
    values = scored_steps(swapped=False)
    for output in ("input", "network"):
        assert values[output, 3, "nrmse"] == values[output, 2, "nrmse"]
        assert values[output, 3, "ssim"] < values[output, 2, "ssim"]
        assert values[output, 4, "ssim"] != values[output, 3, "ssim"]
        assert values[output, 4, "nrmse"] == pytest.approx(values[output, 3, "nrmse"], rel=1e-3)
    assert of_step(values, "network", 2) == of_step(values, "network", 1)
    assert values["input", 2, "nrmse"] < values["input", 1, "nrmse"]


def test_without_a_restored_truth_the_steps_begin_with_the_right_roles(scored_steps):
    with_swap, without = scored_steps(swapped=True), scored_steps(swapped=False)
    assert {step for _, step, _ in without} == {1, 2, 3, 4, 5, 6}
    assert without == {key: value for key, value in with_swap.items() if key[1] > 0}


def test_what_other_programs_print_stands_beside_the_ladder(scored_steps, images):
    values = scored_steps(swapped=False)
    for output, image in (("input", images["noisy"]), ("network", images["network"])):
        zerocost = zerocost_scores(images["truth"], image)
        unifmir = unifmir_scores(images["truth"], image, None, "1")
        assert {metric: values[output, 5, metric] for metric in zerocost} == zerocost
        assert {metric: values[output, 6, metric] for metric in unifmir} == unifmir
        assert (output, 6, "nrmse") not in values


def test_what_cannot_be_scored_is_named(tmp_path):
    truth = np.random.default_rng(0).integers(0, 99, (8, 9, 10)).astype(np.uint16)
    for place, image in (
        ("truth", truth),
        ("1", truth),
        ("restored/1", np.zeros(truth.shape, np.float32)),
    ):
        write_volume(tmp_path / place / "worm.tif", image, "ZYX")
    pair = Pair("worm", "1", "ZYX", tmp_path / "1/worm.tif", tmp_path / "truth/worm.tif")
    with pytest.raises(
        ValueError, match=r"restored/1/worm\.tif against .*truth/worm\.tif: .*constant"
    ):
        score_protocol_steps(pair, tmp_path / "restored", None)
