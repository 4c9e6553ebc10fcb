"""The 2019 study's own records against what is known of them by hand."""

import pytest
from made_up import ROOT, students

from denoising.evaluation.published_conclusions import Records, conclusion_rows, overall
from denoising.evaluation.published_records import (
    EQUAL_TRAININGS,
    curve_summary,
    equal_losses,
    read_histories,
)
from denoising.evaluation.published_times import (
    FLOP_PER_VOXEL,
    epoch_times,
    steps_for_paper,
    sweep_line,
)
from denoising.evaluation.scores import read_tidy

RESOURCES = ROOT / "resources"


def resource(name):
    return read_tidy(RESOURCES / f"published_{name}.csv")


@pytest.fixture(scope="module")
def histories():
    return read_histories(RESOURCES / "published_histories.csv")


@pytest.fixture(scope="module")
def curves(histories):
    return curve_summary(histories).set_index("record")


@pytest.fixture(scope="module")
def times(histories):
    return epoch_times(histories, resource("volumes"))


@pytest.fixture(scope="module")
def conclusions(histories):
    records = Records(histories, resource("volume_scores"), resource("scores"))
    return conclusion_rows(resource("conclusions"), records)


def measure(conclusions, name, metric, condition=""):
    rows = conclusions[conclusions["conclusion"] == name]
    return rows[(rows["metric"] == metric) & (rows["condition"] == condition)].iloc[0]


def test_twelve_records_are_whole_but_for_batch_32():
    rows = resource("histories")
    assert len(rows) == 1542
    recorded = rows.groupby("record").size().to_dict()
    assert recorded == {
        "planaria-1": 100, "planaria-2": 200, "planaria-3": 200, "planaria-4": 200,
        "planaria-batch8": 100, "planaria-batch32": 41, "planaria-batch64": 100,
        "planaria-steps25": 100, "planaria-steps100": 100, "beetle-1": 101, "beetle-2": 200,
        "beetle-step25": 100,
    }  # fmt: skip
    assert len(resource("volume_scores")) == 480


def test_an_epoch_that_ran_twice_counts_once(histories, curves):
    beetle = histories[histories["record"] == "beetle-1"]
    assert beetle["epoch"].tolist() == list(range(1, 101))
    assert beetle["loss"].iloc[0] == -1.138849  # of the second
    assert curves.loc["beetle-1", "note"].startswith("its first epoch ran twice")


@pytest.mark.parametrize(
    ("record", "loss", "epoch"),
    [
        ("planaria-1", -1.658, 95), ("planaria-2", -1.659, 151), ("planaria-3", -1.654, 165),
        ("planaria-4", -1.666, 191), ("planaria-batch8", -1.624, 90),
        ("planaria-batch64", -1.653, 46), ("planaria-steps100", -1.599, 100),
        ("planaria-steps25", -1.452, 99), ("beetle-1", -3.173, 73), ("beetle-2", -3.140, 87),
    ],
)  # fmt: skip
def test_best_epochs(curves, record, loss, epoch):
    assert curves.loc[record, "best_val_loss"] == pytest.approx(loss, abs=5e-4)
    assert curves.loc[record, "best_epoch"] == epoch


def test_tribolium_overfits_and_batch_32_ends_early(curves):
    assert set(curves.index[curves["overfits"]]) == {"beetle-1", "beetle-2"}
    assert curves.loc["beetle-2", "final_val_loss"] == pytest.approx(-3.109, abs=5e-4)
    assert curves.loc["planaria-batch32", "note"] == "the record ends at epoch 41 of 100"
    assert curves.loc["planaria-batch32", "samples"] == 41 * 400 * 32


def test_equal_trainings_are_as_far_apart_as_half_of_what_batch_size_does(histories, curves):
    losses = equal_losses(histories)
    assert losses.max() - losses.min() == pytest.approx(0.012, abs=5e-4)
    assert set(curves.loc[list(EQUAL_TRAININGS), "model"]) == {"planaria"}


def test_lines_through_the_medians(times):
    """Hand-computed: 31.23, 54.16 and 145.79 s at 25, 100 and 400 steps; 30h06 = 108,360 s."""
    steps = sweep_line(times, "steps_per_epoch")
    assert steps.line.seconds_per_step == pytest.approx(0.3055, abs=5e-5)
    assert steps.line.overhead_seconds == pytest.approx(23.6, abs=0.05)
    paper = steps_for_paper(steps.line, resource("runtimes"))
    assert {epochs: round(value) for epochs, value in paper.items()} == {200: 1696, 100: 3470}
    assert paper[200] == pytest.approx((108_360 / 200 - 23.60) / 0.30548, abs=0.5)

    batches = sweep_line(times, "batch_size")
    assert batches.rows["seconds_per_epoch"].round(2).tolist() == [86.95, 145.79, 267.05, 513.77]
    assert 1000 * batches.seconds_per_patch == pytest.approx(19.1, abs=0.05)


def test_the_overhead_is_the_validation(times):
    """3,580 patches at a third of 19.1 ms."""
    for varies in ("steps_per_epoch", "batch_size"):
        fit = sweep_line(times, varies)
        assert fit.validation_seconds == pytest.approx(22.8, abs=0.1)
        assert fit.line.overhead_seconds == pytest.approx(fit.validation_seconds, rel=0.1)


def test_arithmetic_per_second_hardly_depends_on_settings(times):
    rate = times.set_index("record")["teraflop_per_second"]
    assert rate.between(3.4, 3.7).all()
    # 6,400 patches trained on and 3,580 validated on in 145.79 s
    voxels = 16 * 64 * 64 * (3 * 6400 + 3580)
    assert rate["planaria-1"] == pytest.approx(voxels * 347_456 / 145.79 / 1e12, rel=1e-3)


def test_the_published_network_takes_this_arithmetic():
    costs = pytest.importorskip("denoising.training.costs")
    models = pytest.importorskip("csbdeep.models")
    from made_up import training_settings

    from denoising.training.network import care_config

    network = models.CARE(care_config(training_settings(), "ZYX"), basedir=None).keras_model
    assert costs.flop_per_voxel(network) == FLOP_PER_VOXEL


def test_equal_trainings_differ_in_nrmse_on_condition_1():
    """planaria-4 less planaria-3: 0.0029 (0.0004 to 0.0054)."""
    rows = resource("volume_scores").query("metric == 'nrmse' and condition == '1'")
    table = rows.pivot(index="volume", columns="record", values="value")
    difference = (table["planaria-4"] - table["planaria-3"]).to_numpy()
    assert difference.mean() == pytest.approx(0.0029, abs=5e-5)
    assert difference.mean() - students(difference) == pytest.approx(0.0004, abs=5e-5)
    assert difference.mean() + students(difference) == pytest.approx(0.0054, abs=5e-5)


def test_differences_over_volumes_are_paired(conclusions):
    rows = resource("volume_scores").query("metric == 'nrmse' and condition == '1'")
    table = rows.pivot(index="volume", columns="record", values="value")
    paired = table[["planaria-3", "planaria-4"]].mean(axis=1) - table["planaria-1"]
    row = measure(conclusions, "200 epochs", "nrmse", "1")
    assert row["difference"] == pytest.approx(paired.mean())
    assert row["high"] - row["low"] == pytest.approx(2 * students(paired.to_numpy()))
    assert (row["n"], row["equal_trainings"], row["protocol"]) == (20, 2, "interim2019")


def test_batch_sizes_are_not_ranked(conclusions):
    """Their final tables differ by 0.0003 at most on condition 1, equal trainings by 0.0029."""
    for name in ("batch 8", "batch 32", "batch 64"):
        row = measure(conclusions, name, "nrmse", "1")
        assert 0 < row["difference"] <= 0.00034
        assert row["survives"].startswith("no")
    assert measure(conclusions, "batch 64", "val_loss")["difference"] == pytest.approx(
        -1.6531 + 1.6583, abs=1e-4
    )


def test_fewer_steps_are_behind_in_the_loss_alone(conclusions):
    row = measure(conclusions, "100 steps", "val_loss")
    assert (row["survives"], row["equal_trainings"]) == ("yes", 3)
    # Student's t of 2 degrees of freedom for two single trainings
    assert row["reach"] == pytest.approx(4.3027 * row["equal_sd"] * 2**0.5, rel=1e-4)
    assert measure(conclusions, "100 steps", "nrmse", "1")["survives"].startswith("no")


def test_a_record_that_was_cut_short_is_compared_with_as_much(histories, conclusions):
    rows = histories[histories["epoch"] <= 41].groupby("record")["val_loss"].min()
    row = measure(conclusions, "batch 32", "val_loss")
    assert row["difference"] == pytest.approx(rows["planaria-batch32"] - rows["planaria-1"])


def test_one_verdict_per_conclusion(conclusions):
    verdicts = conclusions.groupby("conclusion")["survives"].agg(overall)
    assert verdicts["network"] == "yes"
    assert verdicts[["200 epochs", "batch 32", "batch 64"]].tolist() == ["no", "no", "no"]
    swapped = ["network on tribolium", "planaria on tribolium"]
    assert set(verdicts[swapped]) == {"no: truth and input were swapped"}
    assert verdicts["25 steps"] == "yes in 1, no in 5, not decided in 1 of 7 measures"


def test_the_sentence_on_generalization_does_not_follow_from_the_tables():
    scores = resource("scores").query("tested_on == 'planaria' and protocol == 'study2019'")
    means = scores.pivot_table(index="model", columns=["metric", "condition"], values="mean")
    percent = (100 * (means.loc["tribolium-100"] / means.loc["planaria-100"] - 1)).round(1)
    assert (percent["nrmse"].min(), percent["nrmse"].max()) == (86.3, 106.8)
    assert (-percent["ssim"].max(), -percent["ssim"].min()) == (20.8, 23.3)
