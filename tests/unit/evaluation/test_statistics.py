"""Statistics over test volumes, their intervals, calibration, and the line of training time against steps."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from denoising.evaluation.statistics import (
    MEASURED,
    calibration_means,
    calibration_scores,
    compared_models,
    comparison_pairs,
    explanation_means,
    group_line,
    implied_for_paper,
    implied_steps,
    interval,
    line_groups,
    our_runtimes,
    paired_differences,
    published_runtimes,
    read_calibration,
    read_tidy,
    references,
    relative_difference,
    restoration_runtimes,
    runtime_line,
    settings_of,
    summarise,
    with_ensembles,
)


def scores(values, seed="0", model="planaria", **changes):
    """Scores of one model, a volume a value."""
    row = {
        "model": model,
        "seed": seed,
        "trained_on": "planaria",
        "tested_on": "planaria",
        "condition": "1",
        "stratum": "",
        "output": "network",
        "protocol": "paper",
        "metric": "nrmse",
    } | changes
    return pd.DataFrame(
        [{**row, "volume": f"v{i}", "value": value} for i, value in enumerate(values)]
    )


def test_mean_and_sample_deviation_over_volumes():
    (row,) = summarise(scores([1.0, 2.0, 3.0, 6.0])).to_dict("records")
    assert row["mean"] == 3.0
    assert row["sd"] == pytest.approx(np.sqrt(14 / 3))  # n - 1, not n
    assert (row["n"], row["seeds"]) == (4, 1)
    assert np.isnan(row["sd_seeds"])


def test_protocols_conditions_and_references_stay_apart():
    parts = [
        scores([1.0, 3.0]),
        scores([5.0, 7.0], protocol="study2019"),
        scores([2.0, 2.0], condition="2"),
        scores([9.0, 9.0], seed=np.nan, model=np.nan, trained_on=np.nan, output="input"),
    ]
    table = summarise(pd.concat(parts))
    assert table["mean"].tolist() == [2.0, 6.0, 2.0, 9.0]
    assert table["model"].tolist() == ["planaria", "planaria", "planaria", ""]


def test_a_volume_counts_once_however_many_seeds():
    both = pd.concat([scores([1.0, 3.0], seed="0"), scores([3.0, 5.0], seed="1")])
    (row,) = summarise(both).to_dict("records")
    assert (row["mean"], row["n"], row["seeds"]) == (3.0, 2, 2)
    assert row["sd"] == pytest.approx(np.sqrt(2))  # of the volumes' means 2 and 4
    assert row["sd_seeds"] == pytest.approx(np.sqrt(2))  # of the runs' means 2 and 4


def test_an_ensemble_is_a_method_of_its_own_without_runs():
    runs = [scores([1.0, 3.0], seed="1"), scores([3.0, 5.0], seed="2")]
    table = summarise(pd.concat([*runs, scores([1.0, 2.0], seed="", model="planaria-ensemble")]))
    assert table["model"].tolist() == ["planaria", "planaria-ensemble"]
    assert table["mean"].tolist() == [3.0, 1.5]
    assert table["sd_seeds"].isna().tolist() == [False, True]


def test_one_volume_has_no_deviation():
    (row,) = summarise(scores([0.5])).to_dict("records")
    assert (row["mean"], row["n"]) == (0.5, 1)
    assert np.isnan(row["sd"])


def test_strata_on_request():
    mixed = pd.concat(
        [scores([1.0], stratum="live"), scores([3.0], stratum="fixed").replace("v0", "v1")]
    )
    keys = ("model", "stratum", "metric")
    assert summarise(mixed, keys)["mean"].tolist() == [1.0, 3.0]
    assert summarise(mixed)["mean"].tolist() == [2.0]


def test_repeated_rows_count_once_but_contradictions_are_refused():
    once = scores([1.0, 2.0])
    assert summarise(pd.concat([once, once]))["n"].tolist() == [2]
    with pytest.raises(ValueError, match="2 volumes and 1 seeds, found 4"):
        summarise(pd.concat([once, scores([1.5, 2.5])]))


def test_runs_must_share_their_volumes():
    with pytest.raises(ValueError, match="same volumes"):
        summarise(pd.concat([scores([1.0, 2.0], seed="0"), scores([1.0], seed="1")]))


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (scores([1.0]).drop(columns="protocol"), "lack the columns"),
        (scores([1.0, np.nan]), "1 scores are not numbers"),
    ],
)
def test_incomplete_scores_are_refused(broken, message):
    with pytest.raises(ValueError, match=message):
        summarise(broken)


def students(values):
    """How far Student's interval of a mean reaches to both sides."""
    return stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)


@pytest.mark.parametrize("count", [2, 4, 20])
def test_an_interval_is_as_wide_as_students(count):
    values = np.random.default_rng(1).normal(5, 2, count)
    low, high = interval(values[None])
    assert high - low == pytest.approx(2 * students(values))
    assert low < values.mean() < high
    assert interval(values[None]) == (low, high)  # the same scores, the same interval


def test_an_interval_reaches_farther_where_values_do():
    low, high = interval(np.array([[1.0, 1.1, 1.2, 1.3, 3.0]]))
    assert high - 1.52 > 1.5 * (1.52 - low)
    low, high = interval(np.array([[-1.0, 0.0, 1.0]]))
    assert -low == pytest.approx(high, rel=0.05)


# Without Student's quantiles, or with trainings resampled like volumes, 72 to 87 % in all of these cases
@pytest.mark.parametrize(
    ("trainings", "volumes", "of_trainings", "paired"),
    [(1, 4, 0.0, False), (2, 20, 1.0, False), (3, 20, 1.0, False), (2, 20, 1.0, True)],
)
def test_an_interval_holds_the_mean_as_often_as_it_says(trainings, volumes, of_trainings, paired):
    """Volumes differ by 0.5, trainings by `of_trainings`, values besides by 0.3; a reference has no trainings."""
    rng, held = np.random.default_rng(2), []
    for _ in range(500):
        easy = 0.5 * rng.normal(size=volumes)
        values = (
            easy
            + of_trainings * rng.normal(size=(trainings, 1))
            + 0.3 * rng.normal(size=(trainings, volumes))
        )
        low, high = interval(
            values, easy[None] + 0.3 * rng.normal(size=(1, volumes)) if paired else None
        )
        held.append(low <= 0 <= high)
    assert 0.93 <= np.mean(held) <= 0.98


def test_volumes_and_trainings_add_in_squares():
    volumes = np.array([0.05, 0.06, 0.09, 0.1])
    trainings = np.array([-0.01, 0.0, 0.01])
    low, high = interval(volumes + trainings[:, None])
    assert high - low == pytest.approx(
        2 * np.hypot(students(volumes), students(trainings)), rel=0.02
    )
    assert interval(np.stack([volumes] * 3)) == pytest.approx(interval(volumes[None]))
    assert interval(volumes[None]) == pytest.approx(interval(volumes[None] + 0.5 - 0.5))


def test_paired_differences_do_not_see_what_volumes_share():
    volumes = np.array([[0.02, 0.05, 0.09, 0.2, 0.4]])
    assert interval(volumes - 0.01, volumes) == pytest.approx((-0.01, -0.01))
    several = volumes + np.array([[0.0], [0.01], [0.03]])
    low, high = interval(several, several)  # trainings of two models are not pairs
    assert low == pytest.approx(-high)
    assert high == pytest.approx(2**0.5 * students([0.0, 0.01, 0.03]), rel=0.1)
    low, high = interval(several, volumes)
    assert interval(volumes, several) == pytest.approx((-high, -low))


def test_intervals_that_cannot_be():
    assert np.isnan(interval(np.array([[0.5]]))).all()
    assert np.isnan(interval(np.array([[0.5], [0.6]]))).all()  # two trainings, one volume
    assert np.isnan(interval(np.array([[np.inf, 30.0, 31.0]]))).all()
    low, high = interval(np.full((1, 7), 0.1))
    assert low == pytest.approx(0.1)
    assert low <= np.full((1, 7), 0.1).mean() <= high
    (row,) = summarise(scores([np.inf, 30.0], metric="psnr")).to_dict("records")
    assert (row["mean"], row["n"]) == (np.inf, 2)
    assert np.isnan([row["sd"], row["low"]]).all()


@pytest.fixture
def compared():
    """Two models and their references on two test sets."""
    parts = [
        scores([0.1, 0.3, 0.2], model="", seed="", trained_on="", output=name)
        for name in ("input", "nlm")
    ]
    parts += [scores([0.05, 0.15, 0.1], model="one"), scores([0.04, 0.14, 0.09], model="two")]
    parts += [scores([0.06, 0.16, 0.11], model="one", tested_on="tribolium")]
    return pd.concat(parts)


def test_differences_are_of_method_less_reference(compared):
    pairs = [("two", "one"), ("one", "input"), ("two", "gaussian"), ("three", "one")]
    table = paired_differences(compared, pairs)
    assert table[["method", "reference", "tested_on", "n"]].to_numpy().tolist() == [
        ["two", "one", "planaria", 3],
        ["one", "input", "planaria", 3],
    ]  # not where one of the two was not scored
    assert table["difference"].tolist() == pytest.approx([-0.01, -0.1])
    assert table.loc[0, ["low", "high"]].tolist() == pytest.approx([-0.01, -0.01])
    assert table.loc[1, "low"] < -0.1 < table.loc[1, "high"]
    assert table.loc[1, "high"] - table.loc[1, "low"] == pytest.approx(
        2 * students([-0.05, -0.15, -0.1])
    )


def test_differences_need_the_same_volumes(compared):
    odd = compared[(compared["model"] != "two") | (compared["volume"] != "v2")]
    with pytest.raises(
        ValueError, match="'method': 'two'.*only one of the two has .'v2'.*same volumes"
    ):
        paired_differences(odd, [("two", "one")])


def test_what_is_compared():
    study = {
        "models": {
            "base": {"trained_on": "d"}, "other": {"trained_on": "e"}, "swept": {"trained_on": "d"},
            "swept-matched": {"trained_on": "d"},
        },
        "baselines": ["median", "nlm"],
        "ensembles": {"base-ensemble": "base"},
        "studies": {
            "a": {"models": ["base", "other"], "varies": None, "base": None, "matched": []},
            "b": {
                "models": ["base", "swept"], "varies": "epochs", "base": "base", "matched": ["base", "swept-matched"],
            },
        },
    }  # fmt: skip
    assert references(study) == {"input": "input", "median": "median", "nlm": "non-local means"}
    pairs = comparison_pairs(study)
    assert pairs[:3] == [("base", "input"), ("base", "median"), ("base", "nlm")]
    own = [
        ("swept", "base"),
        ("swept-matched", "base"),
        ("other", "base"),
        ("base-ensemble", "base"),
    ]
    assert pairs[12:] == own


STUDY = {
    "models": {
        "one": {"trained_on": "d", "seeds": [5]},
        "two": {"trained_on": "d", "seeds": [1, 2]},
    },
    "runs": {
        "one": {"model": "one", "seed": 5},
        "two-seed1": {"model": "two", "seed": 1},
        "two-seed2": {"model": "two", "seed": 2},
    },
    "baselines": ["tv"],
}


@pytest.fixture
def calibrated(tmp_path):
    """Calibrations of three runs: of `one` perfect, of `two` with errors twice as large as predicted."""
    paths = {}
    for run, factor in (("one", 1.0), ("two-seed1", 2.0), ("two-seed2", 2.0)):
        rows = []
        for volume in ("v0", "v1"):
            known = {"condition": "1", "volume": volume}
            for level in (0.05, 0.5, 0.95):
                inside = 1 - (1 - level) ** (1 / factor)
                rows += [
                    {
                        "kind": "coverage",
                        **known,
                        "level": level,
                        "expected": level,
                        "observed": inside,
                        "count": 9,
                    }
                ]
            for level, count in ((0, 4), (1, 5)):
                scale = 0.01 * (level + 1)
                rows += [
                    {"kind": "scale", **known, "level": level, "expected": scale, "observed": factor * scale,
                     "count": count}
                ]  # fmt: skip
        paths[run, "d"] = tmp_path / f"{run}.csv"
        pd.DataFrame(rows).to_csv(paths[run, "d"], index=False)
    return paths


def test_calibration_in_three_numbers(calibrated):
    table = summarise(calibration_scores(read_calibration(calibrated, STUDY)))
    found = table.set_index(["model", "metric"])[["mean", "n", "seeds"]]
    assert found.loc[("one", "ece")].tolist() == pytest.approx([0.0, 2, 1])
    assert found.loc[("one", "inside"), "mean"] == pytest.approx(0.95)
    assert found.loc[("one", "ratio"), "mean"] == pytest.approx(1.0)
    gaps = [level - 1 + np.sqrt(1 - level) for level in (0.05, 0.5, 0.95)]
    assert found.loc[("two", "ece")].tolist() == pytest.approx([np.mean(gaps), 2, 2])
    assert found.loc[("two", "inside"), "mean"] == pytest.approx(1 - np.sqrt(0.05))
    assert found.loc[("two", "ratio"), "mean"] == pytest.approx(2.0)


def test_calibration_curves_survive_an_empty_bin(calibrated):
    path = calibrated["two-seed2", "d"]
    table = pd.read_csv(path)
    table[(table["kind"] != "scale") | (table["level"] < 1)].to_csv(path, index=False)
    means = calibration_means(read_calibration(calibrated, STUDY))
    two = means[(means["model"] == "two") & (means["kind"] == "scale")]
    assert two["expected"].tolist() == pytest.approx([0.01, 0.02])
    assert two["mean"].tolist() == pytest.approx([0.02, 0.04])
    assert two["n"].tolist() == [2, 2]


def test_calibrations_of_another_form_are_refused(calibrated):
    path = calibrated["one", "d"]
    pd.read_csv(path).drop(columns="observed").to_csv(path, index=False)
    with pytest.raises(ValueError, match="one.csv: found no columns .'observed'.*calibrate anew"):
        read_calibration(calibrated, STUDY)


def test_every_step_has_its_change():
    rows = [
        {
            "dataset": "d",
            "model": "one",
            "condition": "1",
            "volume": f"v{i}",
            "output": output,
            "step": step,
        }
        | {"label": f"step {step}", "metric": "nrmse", "value": value * (i + 1)}
        for output, values in (("input", (0.2, 0.1)), ("network", (0.04, 0.04)))
        for step, value in enumerate(values, start=1)
        for i in range(2)
    ]
    table = explanation_means(pd.DataFrame(rows)).set_index(["output", "step"])
    assert table.loc[("input", 2), "change"] == pytest.approx(-0.15)
    assert table.loc[("network", 2), "change"] == pytest.approx(0)
    assert np.isnan(
        table.loc[("input", 1), ["change", "change_low", "change_high"]].astype(float)
    ).all()
    low, high = table.loc[("input", 2), ["change_low", "change_high"]]
    assert low < -0.15 < high
    assert high - low == pytest.approx(2 * students([-0.1, -0.2]))  # of the volumes' changes
    assert table.loc[("network", 2), ["change_low", "change_high"]].tolist() == pytest.approx(
        [0, 0]
    )
    assert table.loc[("input", 1), ["mean", "n"]].tolist() == pytest.approx([0.3, 2])
    odd = pd.DataFrame(rows).query("step == 1 or volume == 'v0'")
    with pytest.raises(ValueError, match="'step': 2.*only one of the two has .'v1'"):
        explanation_means(odd)


def restored(folder, method, **changes):
    record = {
        "method": method,
        "dataset": "d",
        "seconds": 3.0,
        "voxels": 2_000_000,
        "threads": 2,
        "device": "CPU",
    }
    path = folder / f"{method}.json"
    path.write_text(
        json.dumps({key: value for key, value in (record | changes).items() if value != "left out"})
    )
    return path


def test_runtimes_of_restoration(tmp_path):
    paths = [
        restored(tmp_path, "one"),
        restored(tmp_path, "two-seed2"),
        restored(tmp_path, "tv", strength=0.4, unit="noise"),
    ]
    one, two, tv = restoration_runtimes(paths, STUDY).to_dict("records")
    assert (one["method"], one["seconds_per_million_voxels"], one["tested_on"]) == ("one", 1.5, "d")
    assert np.isnan([one["seed"], one["strength"]]).all()
    assert (two["method"], two["seed"]) == ("two", 2)
    assert (tv["method"], tv["strength"], tv["unit"], tv["device"], tv["threads"]) == (
        "tv",
        0.4,
        "noise",
        "CPU",
        2,
    )
    with pytest.raises(ValueError, match="one.json: .*lacks .'voxels'"):
        restoration_runtimes([restored(tmp_path, "one", voxels="left out")], STUDY)
    with pytest.raises(ValueError, match="median.json: runtime of median, which is no run"):
        restoration_runtimes([restored(tmp_path, "median")], STUDY)


def test_line_of_the_published_runtimes():
    line = runtime_line([25, 100, 400], [51 / 60, 89 / 60, 4], 100)
    assert line.seconds_per_step == pytest.approx(0.30, abs=0.005)
    assert line.overhead_seconds == pytest.approx(23, abs=0.5)
    assert round(implied_steps(30.1, 200, line)) == 1716
    assert round(implied_steps(30.1, 100, line)) == 3508


def test_line_is_exact_where_time_is_linear():
    steps, epochs = np.array([10, 20, 40]), np.array([5, 10, 20])
    line = runtime_line(steps, (2 + 0.5 * steps) * epochs / 3600, epochs)
    assert line == pytest.approx((0.5, 2.0))
    assert implied_steps(7 * 10 / 3600, 10, line) == pytest.approx(10)


def test_line_needs_two_numbers_of_steps():
    with pytest.raises(ValueError, match="two numbers of steps"):
        runtime_line([400, 400], [4, 4.1], 100)
    with pytest.raises(ValueError, match="grow"):
        implied_steps(1, 1, runtime_line([1, 2], [2, 1], 1))


def test_relative_difference_is_in_percent():
    assert relative_difference(1.5, 1.0) == 50
    assert relative_difference(0.5, 1.0) == -50


@pytest.fixture
def published():
    columns = ["source", "model", "trained_on", "epochs", "batch_size", "steps_per_epoch", "hours"]
    rows = [
        ("2019 study", f"planaria-{n}", "planaria", 100, 16, n, h) for n, h in ((25, 1), (400, 4))
    ]
    rows += [("2019 study", "planaria-8", "planaria", 100, 8, 400, 2)]
    rows += [("CARE paper, second-hand", "planaria", "planaria", np.nan, np.nan, np.nan, 30.1)]
    return pd.DataFrame(rows, columns=columns).assign(note="")


def test_a_line_joins_runs_that_differ_in_steps_alone(published):
    (group,) = line_groups(published_runtimes(published))
    assert group["steps_per_epoch"].tolist() == [25, 400]
    assert group_line(group).seconds_per_step == pytest.approx(3 * 36 / 375)
    points = implied_for_paper(group, published)
    assert [point.epochs for point in points] == [200, 100]
    assert points[0].seconds == pytest.approx(30.1 * 18)
    assert implied_for_paper(group.assign(source="ours"), published) == []


@pytest.fixture
def measured():
    """A study of two models, one of them trained twice, and a history of three epochs."""
    settings = {"trained_on": "d", "batch_size": 4, "epochs": 3}
    models = {"one": {**settings, "steps_per_epoch": 8, "seeds": [5]}}
    models["two"] = {**settings, "steps_per_epoch": 16, "seeds": [1, 2]}
    runs = {"one": {"model": "one", "seed": 5}}
    runs |= {f"two-seed{seed}": {"model": "two", "seed": seed} for seed in (1, 2)}
    history = pd.DataFrame({"epoch": [1, 2, 3], "seconds": [50.0, 10.0, 12.0]})
    history = history.assign(
        samples_per_second=[2.0, 9.0, 8.0], voxels_per_second=[20.0, 90.0, 80.0]
    )
    history = history.assign(
        teraflop=[1.0, 1.0, 2.0], matmul_share=[0.1, 0.5, 0.4], host_memory_mb=[7.0, 9.0, 8.0]
    )
    history = history.assign(device_memory_mb=np.nan, gpu_energy_kj=np.nan)
    return {"models": models, "runs": runs}, history


def test_our_runtimes_sum_hours_and_leave_start_up_out_of_an_epoch(measured, tmp_path):
    study, history = measured
    history.to_csv(tmp_path / "history.csv", index=False)
    (row,) = our_runtimes({"one": tmp_path / "history.csv"}, study).to_dict("records")
    assert row["hours"] == pytest.approx(72 / 3600)
    assert (row["seconds_per_epoch"], row["epochs"], row["source"]) == (12.0, 3, "ours")
    with pytest.raises(ValueError, match="do not name"):
        our_runtimes({"other": tmp_path / "history.csv"}, study)


def test_speed_is_a_median_work_and_energy_are_sums_memory_is_a_peak(measured, tmp_path):
    study, history = measured
    history.to_csv(tmp_path / "cpu.csv", index=False)
    history.assign(device_memory_mb=[1.0, 3.0, 2.0], gpu_energy_kj=[1.0, 2.0, 4.0]).to_csv(
        tmp_path / "gpu.csv"
    )
    histories = {"two-seed2": tmp_path / "gpu.csv", "one": tmp_path / "cpu.csv"}
    cpu, gpu = our_runtimes(histories, study).to_dict("records")
    assert [gpu[name] for name in MEASURED] == [8.0, 80.0, 4.0, 0.4, 9.0, 3.0, 7.0]
    assert [cpu[name] for name in MEASURED][:5] == [8.0, 80.0, 4.0, 0.4, 9.0]
    assert np.isnan(cpu["device_memory_mb"])  # a CPU has none, which is not 0
    assert np.isnan(cpu["gpu_energy_kj"])
    assert (gpu["model"], gpu["seed"]) == ("two", 2)
    assert np.isnan(cpu["seed"])  # the only run of its model


@pytest.mark.parametrize("broken", [lambda h: h.drop(columns="teraflop"), lambda h: h.iloc[:0]])
def test_incomplete_histories_are_refused(measured, tmp_path, broken):
    study, history = measured
    broken(history).to_csv(tmp_path / "h.csv", index=False)
    with pytest.raises(ValueError, match="h.csv: expected a row an epoch"):
        our_runtimes({"one": tmp_path / "h.csv"}, study)


def test_a_line_takes_every_run_and_needs_two_numbers_of_steps(measured, tmp_path):
    study, history = measured
    paths = {}
    for run, seconds in (("one", 4.0), ("two-seed1", 7.0), ("two-seed2", 9.0)):
        paths[run] = tmp_path / f"{run}.csv"
        history.assign(seconds=seconds).to_csv(paths[run], index=False)
    (group,) = line_groups(our_runtimes(paths, study))
    assert group["steps_per_epoch"].tolist() == [8, 16, 16]
    assert group_line(group) == pytest.approx((0.5, 0.0))
    del paths["one"]
    assert line_groups(our_runtimes(paths, study)) == []


def test_compared_models_are_those_of_plain_studies_or_cross_tested():
    names = ("base", "swept", "swept-matched", "wanderer")
    table = pd.concat([scores([1.0], model=model) for model in names])
    table = pd.concat([table, scores([1.0], model="wanderer", tested_on="tribolium")])
    study = {
        "models": dict.fromkeys(("wanderer", "swept", "base", "swept-matched", "unscored")),
        "studies": {
            "a": {"models": ["base", "unscored"], "varies": None, "matched": []},
            "b": {
                "models": ["base", "swept"],
                "varies": "epochs",
                "matched": ["base", "swept-matched"],
            },
        },
    }
    assert compared_models(table, study) == ["wanderer", "base"]
    crossed = scores([1.0], model="swept-matched", tested_on="tribolium")
    assert compared_models(pd.concat([table, crossed]), study) == [
        "wanderer",
        "base",
        "swept-matched",
    ]


def test_an_ensemble_follows_its_model_and_has_its_settings():
    study = {"models": {"a": {"width": 1}, "b": {"width": 2}}, "ensembles": {"a-ensemble": "a"}}
    assert with_ensembles(["b", "a"], study) == ["b", "a", "a-ensemble"]
    assert settings_of("a-ensemble", study) == settings_of("a", study) == {"width": 1}


def test_tidy_files_keep_names_as_text(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("model,condition,value\n,01,0.5\nNA,2,\n")
    table = read_tidy(path)
    assert table["condition"].tolist() == ["01", "2"]
    assert table["model"].tolist() == ["", "NA"]
    assert table["value"].dtype == float
    path.write_text("value\nhigh\n")
    with pytest.raises(ValueError, match="table.csv.*value"):
        read_tidy(path)
