"""Tables: ours beside the published values, protocols apart, differences as they follow."""

import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from denoising.evaluation.statistics import MEASURED, read_calibration, read_tidy
from denoising.report import tables

RESOURCES = Path(__file__).parents[3] / "resources"
BASE = {
    "trained_on": "planaria",
    "epochs": 20,
    "steps_per_epoch": 64,
    "batch_size": 4,
    "seeds": [0],
}
MODELS = {
    "planaria": {**BASE, "epochs": 40},
    "planaria-100": BASE,
    "tribolium-100": {**BASE, "trained_on": "tribolium"},
    "planaria-steps25": {**BASE, "steps_per_epoch": 4},
}
STUDY = {
    "datasets": {
        "planaria": {"label": "planaria", "conditions": ["1", "2", "3"]},
        "tribolium": {"label": "tribolium", "conditions": ["3", "2", "1"]},
    },
    "models": MODELS,
    "runs": {model: {"model": model, "seed": 0} for model in MODELS},
    "ensembles": {},
    "baselines": ["nlm"],
    "studies": {
        "replication": {"models": ["planaria"], "varies": None},
        "generalization": {"models": ["planaria-100", "tribolium-100"], "varies": None},
        "steps_per_epoch": {
            "models": ["planaria-steps25", "planaria-100"],
            "varies": "steps_per_epoch",
        },
    },
}
SEEDED = {
    **STUDY,
    "models": {
        name: {**values, "seeds": [1, 2]} if name.endswith("100") else values
        for name, values in MODELS.items()
    },
    "ensembles": {
        "planaria-100-ensemble": "planaria-100",
        "tribolium-100-ensemble": "tribolium-100",
    },
}
STUDENT = 12.706205  # of two volumes an interval is 13 times as wide as they are apart
NRMSE = {"input": 0.2, "nlm": 0.1, "planaria": 0.03, "planaria-100": 0.04, "tribolium-100": 0.05}


def our_scores(volumes=(0.9, 1.1)):
    """NRMSE of `NRMSE` and SSIM of one less, spread over two volumes; alike for all conditions."""
    parts = [
        method_scores(name, "0" if name in MODELS else "", nrmse, volumes)
        for name, nrmse in NRMSE.items()
    ]
    return pd.concat(parts, ignore_index=True)


def method_scores(name, seed, nrmse, volumes=(0.9, 1.1)):
    """Scores of one run, ensemble or reference on both test sets."""
    model = name.removesuffix("-ensemble")
    rows = []
    for dataset, entry in STUDY["datasets"].items():
        for condition, protocol in itertools.product(entry["conditions"], ("paper", "study2019")):
            for i, factor in enumerate(volumes):
                row = {
                    "model": name if model in MODELS else "",
                    "seed": seed,
                    "trained_on": MODELS.get(model, {}).get("trained_on", ""),
                    "tested_on": dataset,
                    "condition": condition,
                    "volume": f"v{i}",
                    "stratum": "",
                    "output": "network" if model in MODELS else name,
                    "protocol": protocol,
                }
                rows += [{**row, "metric": "nrmse", "value": nrmse * factor}]
                rows += [{**row, "metric": "ssim", "value": 1 - nrmse * factor}]
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def scores():
    return our_scores()


@pytest.fixture(scope="module")
def seeded():
    """The 100-epoch models trained twice, and their ensembles; the others once."""
    runs = [
        ("planaria-100", "1", 0.03),
        ("planaria-100", "2", 0.05),
        ("planaria-100-ensemble", "", 0.035),
    ]
    runs += [
        ("tribolium-100", "1", 0.05),
        ("tribolium-100", "2", 0.05),
        ("tribolium-100-ensemble", "", 0.042),
    ]
    once = [("planaria", "0", 0.03), ("input", "", 0.2)]
    return pd.concat([method_scores(*run) for run in runs + once], ignore_index=True)


@pytest.fixture(scope="module")
def published():
    return read_tidy(RESOURCES / "published_scores.csv")


@pytest.fixture(scope="module")
def runtimes():
    return read_tidy(RESOURCES / "published_runtimes.csv")


@pytest.fixture
def histories(tmp_path):
    paths = {}
    for model, seconds in (("planaria-100", 34.0), ("planaria-steps25", 4.0)):
        paths[model] = tmp_path / f"{model}.csv"
        write_history(paths[model], seconds)
    return paths


def write_history(path, seconds, **measured):
    history = pd.DataFrame({"epoch": range(1, 21), "seconds": seconds})
    history.assign(**{**dict.fromkeys(MEASURED, np.nan), **measured}).to_csv(path, index=False)


def one(table, **where):
    """The single row of `table` with these values."""
    for column, value in where.items():
        table = table[table[column] == value]
    assert len(table) == 1
    return table.iloc[0]


def test_replication_sets_ours_beside_the_published(scores, published):
    table = tables.replication_table(scores, STUDY, published, "planaria")
    ours = one(table, protocol="study2019", method="planaria-100", source="ours")
    assert ours["c1_nrmse_mean"] == pytest.approx(0.04)
    assert ours["c1_nrmse_sd"] == pytest.approx(0.04 * np.sqrt(0.02))
    assert (ours["epochs"], ours["n"], ours["seeds"]) == (20, 2, 1)
    theirs = one(table, protocol="study2019", method="planaria-100", source="2019 study, Table 1")
    assert (theirs["c1_nrmse_mean"], theirs["c1_nrmse_sd"]) == (0.02666, 0.0051)
    assert (theirs["c3_ssim_mean"], theirs["epochs"]) == (0.79344, 100)
    assert pd.isna(theirs["n"])
    paper = one(
        table, protocol="paper", method="input", source="CARE paper, as the 2019 study quotes it"
    )
    assert paper["c2_ssim_mean"] == 0.170711


def test_replication_never_mixes_protocols(scores, published):
    table = tables.replication_table(scores, STUDY, published, "planaria")
    assert table["protocol"].drop_duplicates().tolist() == ["paper", "study2019"]
    assert (table["protocol"] == "paper").sum() == (table["protocol"] == "paper").idxmin()
    paper = table[table["protocol"] == "paper"]
    assert not paper["source"].str.startswith("2019").any()
    assert table["method"].iloc[:3].tolist() == ["input", "input", "non-local means"]


def test_replication_notes_swapped_roles(scores, published):
    table = tables.replication_table(scores, STUDY, published, "tribolium")
    study2019 = table[table["source"].str.startswith("2019")]
    assert study2019["note"].str.contains("truth and input swapped").all()
    assert (table.loc[table["source"] == "ours", "note"] == "").all()
    means = [name for name in table if name.endswith("nrmse_mean")]
    assert means == ["c3_nrmse_mean", "c2_nrmse_mean", "c1_nrmse_mean"]  # best first


def test_replication_without_published_values(scores, published):
    own = STUDY | {"datasets": {"planaria": {"conditions": ["1"], "published": None}}}
    part = scores[(scores["tested_on"] == "planaria") & (scores["condition"] == "1")]
    table = tables.replication_table(part, own, published, "planaria")
    assert set(table["source"]) == {"ours"}
    assert [name for name in table if name.endswith("_mean")] == ["c1_nrmse_mean", "c1_ssim_mean"]


def test_a_dataset_of_another_name_is_compared_as_the_config_says(scores, published):
    renamed = scores.replace(
        {"tested_on": {"planaria": "worms"}, "trained_on": {"planaria": "worms"}}
    )
    renamed = renamed[renamed["tested_on"] == "worms"]
    models = {
        name: {**m, "trained_on": "worms"} for name, m in STUDY["models"].items() if "plan" in name
    }
    renamed = renamed[renamed["model"].isin(["", *models])]
    study = STUDY | {
        "datasets": {"worms": {"conditions": ["1"], "published": "planaria"}},
        "models": models,
    }
    table = tables.replication_table(renamed, study, published, "worms")
    assert "2019 study, Table 1" in set(table["source"])


def test_unknown_models_are_refused(scores, published):
    stray = scores.replace({"model": {"planaria": "planaira"}})
    with pytest.raises(ValueError, match="planaira"):
        tables.replication_table(stray, STUDY, published, "planaria")


def test_the_spread_between_trainings_stands_apart_from_that_between_volumes(seeded, published):
    table = tables.replication_table(seeded, SEEDED, published, "planaria")
    several = one(table, protocol="paper", method="planaria-100", source="ours")
    assert several["seeds"] == 2
    assert several["c1_nrmse_mean"] == pytest.approx(0.04)
    assert several["c1_nrmse_sd"] == pytest.approx(
        0.04 * np.sqrt(0.02)
    )  # of the volumes' means over trainings
    assert several["c1_nrmse_sd_seeds"] == pytest.approx(
        0.02 / np.sqrt(2)
    )  # of the trainings' 0.03 and 0.05
    assert pd.isna(
        one(table, protocol="paper", method="planaria", source="ours")["c1_nrmse_sd_seeds"]
    )
    cells = tables.readable(table)["NRMSE C1"]
    assert any(cell.startswith("0.0400 ± 0.0057 [± 0.0141]; ") for cell in cells)
    assert "0.0300 ± 0.0042; -0.0081 to 0.0681" in set(cells)  # trained once


def test_intervals_stand_beside_the_means_of_ours_alone(scores, published):
    table = tables.replication_table(scores, STUDY, published, "planaria")
    ours = one(table, protocol="paper", method="planaria", source="ours")
    assert ours["c1_nrmse_low"] == pytest.approx(0.03 - STUDENT * 0.003)
    assert ours["c1_nrmse_high"] == pytest.approx(0.03 + STUDENT * 0.003)
    theirs = one(table, protocol="study2019", method="planaria", source="2019 study")
    assert theirs[["c1_nrmse_low", "c1_nrmse_high"]].isna().all()


def test_baselines_have_labels_and_the_order_of_the_config(scores, published):
    study = STUDY | {"baselines": ["median", "tv", "nlm"]}
    extra = [method_scores(name, "", 0.1) for name in ("tv", "median")]
    table = tables.replication_table(pd.concat([scores, *extra]), study, published, "planaria")
    found = table.loc[(table["protocol"] == "paper") & (table["source"] == "ours"), "method"]
    assert found.tolist()[:4] == ["input", "median", "total variation", "non-local means"]


def test_comparisons_are_paired_and_signed(seeded, tmp_path):
    study = SEEDED | {
        "studies": {
            name: {"base": None, "matched": [], **each} for name, each in STUDY["studies"].items()
        }
    }
    study["studies"]["steps_per_epoch"]["base"] = "planaria-100"
    table = tables.comparisons_table(seeded, study)
    row = one(table, protocol="paper", tested_on="planaria", method="planaria", reference="input")
    assert row["c1_nrmse_difference"] == pytest.approx(-0.17)
    assert row["c1_ssim_difference"] == pytest.approx(0.17)
    assert row[["c1_nrmse_low", "c1_nrmse_high"]].tolist() == pytest.approx(
        [-0.17 - STUDENT * 0.017, -0.17 + STUDENT * 0.017]
    )
    assert row["n"] == 2
    own = one(
        table,
        protocol="paper",
        tested_on="tribolium",
        method="planaria-100-ensemble",
        reference="planaria-100",
    )
    assert own["c3_nrmse_difference"] == pytest.approx(-0.005)
    assert "planaria-steps25" not in set(table["method"])  # not scored
    assert "non-local means" not in set(table["reference"])
    tables.write_table(table, tmp_path / "t.csv", tmp_path / "t.md", "T", "")
    text = (tmp_path / "t.md").read_text(encoding="utf-8")
    assert "-0.1700; -0.3860 to +0.0460" in text
    assert "+0.1700; -0.0460 to +0.3860" in text
    assert "method less reference" in text


def test_strata_apart_and_only_where_there_are_any(scores):
    named = (
        scores["volume"].map({"v0": "fixed", "v1": ""}).where(scores["tested_on"] == "planaria", "")
    )
    table = tables.strata_table(scores.assign(stratum=named), STUDY)
    assert set(table["tested_on"]) == {"planaria"}
    assert set(table["stratum"]) == {"fixed", "none"}
    row = one(table, protocol="paper", stratum="fixed", method="planaria")
    assert (row["c1_nrmse_mean"], row["n"]) == (pytest.approx(0.9 * 0.03), 1)
    assert pd.isna(row["c1_nrmse_low"])
    assert tables.strata_table(scores, STUDY).empty


def test_a_table_without_rows_can_be_written(scores, tmp_path):
    tables.write_table(
        tables.strata_table(scores, STUDY), tmp_path / "t.csv", tmp_path / "t.md", "T", "Note."
    )
    assert "> Note." in (tmp_path / "t.md").read_text()


def test_calibration_is_explained(tmp_path):
    rows = [
        {"kind": "coverage", "condition": "1", "volume": f"v{i}", "level": level, "expected": level}
        | {"observed": level - 0.1 * i, "count": 8}
        for i, level in itertools.product(range(2), (0.5, 0.95))
    ]
    rows += [
        row | {"kind": "scale", "level": 0, "expected": 0.1, "observed": 0.12} for row in rows[::2]
    ]
    path = tmp_path / "c.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    calibration = read_calibration({("planaria", "planaria"): path}, STUDY)
    table = tables.calibration_table(calibration, STUDY)
    row = one(table, method="planaria", tested_on="planaria")
    values = row[["c1_ece_mean", "c1_inside_mean", "c1_ratio_mean"]].tolist()
    assert values == pytest.approx([0.05, 0.9, 1.2])
    tables.write_table(table, tmp_path / "t.csv", tmp_path / "t.md", "T", "")
    text = (tmp_path / "t.md").read_text(encoding="utf-8")
    assert "| inside 95 % C1" in text
    assert "ECE: expected calibration error" in text
    assert "0.0500 ± 0.0707; -0.5853 to 0.6853" in text


def test_the_steps_between_the_protocols_in_order(tmp_path):
    rows = [
        {
            "dataset": dataset,
            "model": f"{dataset}-100",
            "condition": "1",
            "volume": f"v{i}",
            "output": output,
        }
        | {
            "step": float(step),
            "label": label,
            "metric": metric,
            "value": value * (1 + i) / (1 + step // 2),
        }
        for dataset, first in (("planaria", 1), ("tribolium", 0))
        for output, value in (("network", 0.1), ("input", 0.2))
        for step, label in list(enumerate(("swapped", "right", "rescaled")))[first:]
        for metric, i in itertools.product(("nrmse", "ssim"), range(2))
    ]
    table = tables.explanation_table(pd.DataFrame(rows), STUDY)
    assert table[["tested_on", "method", "step"]].to_numpy().tolist() == [
        ["planaria", "input", 1], ["planaria", "input", 2], ["planaria", "planaria-100", 1],
        ["planaria", "planaria-100", 2], ["tribolium", "input", 0], ["tribolium", "input", 1],
        ["tribolium", "input", 2], ["tribolium", "tribolium-100", 0], ["tribolium",
        "tribolium-100", 1], ["tribolium", "tribolium-100", 2],
    ]  # fmt: skip
    row = one(table, tested_on="tribolium", method="input", step=2)
    assert (row["c1_nrmse_mean"], row["c1_nrmse_change"]) == pytest.approx((0.15, -0.15))
    tables.write_table(table, tmp_path / "t.csv", tmp_path / "t.md", "T", "")
    text = (tmp_path / "t.md").read_text(encoding="utf-8")
    assert row[["c1_nrmse_change_low", "c1_nrmse_change_high"]].tolist() == pytest.approx(
        [-0.15 - STUDENT * 0.05, -0.15 + STUDENT * 0.05]  # the volumes' changes are -0.1 and -0.2
    )
    assert "0.1500 ± 0.0707 (-0.1500; -0.7853 to +0.4853); -0.4853 to 0.7853" in text
    assert "0.3000 ± 0.1414 (0); -0.9706 to 1.5706" in text
    assert "change from the step before, and its interval over the same test volumes" in text
    alone = tables.explanation_table(pd.DataFrame(rows).query("volume == 'v0'"), STUDY)
    tables.write_table(alone, tmp_path / "a.csv", tmp_path / "a.md", "T", "")
    assert "| 0.1000 (-0.1000) " in (tmp_path / "a.md").read_text(
        encoding="utf-8"
    )  # one volume has no intervals


def test_runtimes_of_restoration_in_order(tmp_path):
    paths = []
    for method, dataset in (
        ("planaria", "tribolium"),
        ("planaria", "planaria"),
        ("nlm", "planaria"),
    ):
        record = {
            "method": method,
            "dataset": dataset,
            "seconds": 10,
            "voxels": 4_000_000,
            "threads": 2,
            "device": "CPU",
        }
        paths.append(tmp_path / f"{method}-{dataset}.json")
        paths[-1].write_text(json.dumps(record | ({"strength": 0.8} if method == "nlm" else {})))
    table = tables.restoration_runtimes_table(paths, STUDY)
    assert table["method"].tolist() == ["non-local means", "planaria", "planaria"]
    text = tables.readable(table)
    assert text["time per million voxels (s)"].tolist() == ["2.5"] * 3
    assert text["tuned strength"].tolist() == ["0.8", "", ""]


def test_with_one_training_a_model_there_is_no_spread_between_them(scores, published, tmp_path):
    table = tables.replication_table(scores, STUDY, published, "planaria")
    assert not [name for name in table if "sd_seeds" in name]
    tables.write_table(table, tmp_path / "t.csv", tmp_path / "t.md", "T", "")
    assert "[" not in (tmp_path / "t.md").read_text(encoding="utf-8")


def test_an_ensemble_follows_its_model_with_its_settings_and_no_seeds(seeded, published):
    table = tables.replication_table(seeded, SEEDED, published, "planaria")
    block = table[table["protocol"] == "study2019"].reset_index(drop=True)
    model = block.index[block["method"] == "planaria-100"]
    (ensemble,) = block.index[block["method"] == "planaria-100-ensemble"]
    assert ensemble == model[-1] + 1  # after ours and the published
    row = block.loc[ensemble]
    assert row[["epochs", "steps_per_epoch", "batch_size", "n"]].tolist() == [20, 64, 4, 2]
    assert pd.isna(row["seeds"])
    assert row["c2_nrmse_mean"] == pytest.approx(0.035)
    assert row["note"] == "mean of 2 trainings' restorations; interval over volumes alone"


def test_an_ensemble_is_compared_with_an_ensemble(seeded, published):
    table = tables.generalization_table(seeded, SEEDED, published)
    row = one(table, tested_on="planaria", method="tribolium-100-ensemble", protocol="paper")
    assert row["reference"] == "planaria-100-ensemble"
    assert row["c1_nrmse_percent"] == pytest.approx(20)
    row = one(table, tested_on="planaria", method="tribolium-100", protocol="paper")
    assert row["reference"] == "planaria-100"
    assert row["c1_nrmse_percent"] == pytest.approx(25)


def test_the_markdown_explains_both_brackets(seeded, published, tmp_path):
    table = tables.generalization_table(seeded, SEEDED, published)
    tables.write_table(table, tmp_path / "t.csv", tmp_path / "t.md", "T", "")
    text = (tmp_path / "t.md").read_text(encoding="utf-8")
    assert "In square brackets: that between a model's trainings" in text
    assert "In round brackets: difference from the reference" in text
    assert "Of one training, or of an ensemble, it is over volumes alone" in text
    assert "0.0500 ± 0.0071 [± 0.0000] (+25.0 %); -0.0135 to 0.1135" in text


def test_generalization_of_the_published_numbers(scores, published):
    table = tables.generalization_table(scores, STUDY, published)
    row = one(table, tested_on="planaria", method="tribolium-100", source="2019 study")
    assert row["reference"] == "planaria-100"
    ssim = [row[f"c{condition}_ssim_percent"] for condition in "123"]
    assert [round(value, 1) for value in ssim] == [-20.8, -22.3, -23.3]
    nrmse = [row[f"c{condition}_nrmse_percent"] for condition in "123"]
    assert [round(value) for value in nrmse] == [107, 88, 86]
    row = one(table, tested_on="tribolium", method="planaria-100", source="2019 study")
    assert row["reference"] == "tribolium-100"
    assert round(row["c3_nrmse_percent"], 1) == -1.9


def test_generalization_of_ours_compares_equal_epochs(scores, published):
    table = tables.generalization_table(scores, STUDY, published)
    for protocol in ("paper", "study2019"):
        row = one(
            table, tested_on="planaria", method="tribolium-100", source="ours", protocol=protocol
        )
        assert row["reference"] == "planaria-100"
        assert row["c2_nrmse_percent"] == pytest.approx(25)
    row = one(table, tested_on="tribolium", method="planaria", source="ours", protocol="paper")
    assert row["reference"] == ""  # no tribolium model has 40 epochs
    assert pd.isna(row["c1_nrmse_percent"])
    assert "planaria-steps25" not in set(table["method"])


def test_hyperparameters_beside_the_published(published):
    models = {"planaria": {**MODELS["planaria"], "width": 8, "loss": "laplace", "seeds": [1, 2, 3]}}
    models["mine"] = {**models["planaria"], "width": 4, "seeds": [0]}
    table = tables.hyperparameters_table({"models": models}, published)
    first, second = table.to_dict("records")
    assert (first["epochs"], first["epochs_published"], first["width_published"]) == (40, 200, 32)
    assert pd.isna(second["epochs_published"])
    text = tables.readable(table)
    assert text["epochs"].tolist() == ["40 (200)", "40"]
    assert text["loss"].tolist() == ["laplace", "laplace"]
    assert text["seeds"].tolist() == ["1, 2, 3", "0"]


def test_hyperparameters_tell_how_many_patches_a_model_sees(published):
    sweep = {"base": BASE, "batch8": {**BASE, "batch_size": 2}}
    sweep["batch8-matched"] = {**BASE, "batch_size": 2, "steps_per_epoch": 128}
    table = tables.hyperparameters_table(
        {"models": sweep, "ensembles": {"base-ensemble": "base"}}, published
    )
    assert dict(zip(table["model"], table["samples"], strict=True)) == {
        "base": 5120,
        "batch8": 2560,
        "batch8-matched": 5120,
    }
    assert tables.readable(table)["patches seen"].tolist() == ["5120", "2560", "5120"]


def test_runtimes_ours_and_published(histories, runtimes):
    table = tables.runtimes_table(histories, STUDY, runtimes)
    ours = one(table, model="planaria-100", source="ours")
    assert ours["hours"] == pytest.approx(34 * 20 / 3600)
    assert one(table, model="planaria-100", source="2019 study")["seconds_per_epoch"] == 144
    paper = one(table, model="planaria", source="CARE paper, as the 2019 study quotes it")
    assert pd.isna(paper["seconds_per_epoch"])
    assert len(table) == 14


def test_runtimes_have_a_row_a_run(tmp_path, runtimes):
    runs = {f"planaria-100-seed{seed}": {"model": "planaria-100", "seed": seed} for seed in (1, 2)}
    study = SEEDED | {"runs": {"planaria": {"model": "planaria", "seed": 0}} | runs}
    paths = {run: tmp_path / f"{run}.csv" for run in reversed(study["runs"])}
    for i, path in enumerate(paths.values()):
        write_history(path, 10.0 + i, samples_per_second=100 * (i + 1), host_memory_mb=512.0)
    table = tables.runtimes_table(paths, study, runtimes)
    ours = table[table["source"] == "ours"]
    assert ours["model"].tolist() == ["planaria", "planaria-100", "planaria-100"]
    assert ours["seed"].tolist()[1:] == [1, 2]
    assert pd.isna(ours["seed"].iloc[0])  # its only one
    assert ours["samples_per_second"].tolist() == [300, 200, 100]
    text = tables.readable(table)
    assert text["seed"].tolist()[:4] == [
        "",
        "",
        "",
        "1",
    ]  # ours and the published ones of planaria, then ours
    assert {"patches per second", "host memory (MB)"} <= set(text.columns)
    assert not {"device memory (MB)", "GPU energy (kJ)"} & set(
        text.columns
    )  # not measured: in the CSV alone
    assert {"device_memory_mb", "gpu_energy_kj"} <= set(table.columns)


def test_runtime_lines(histories, runtimes):
    table = tables.runtime_lines_table(histories, STUDY, runtimes)
    theirs = one(table, source="2019 study", trained_on="planaria")
    assert theirs["steps"] == "25, 100, 400"
    assert round(theirs["seconds_per_step"], 2) == 0.30
    assert round(theirs["overhead_seconds"]) == 23
    assert (theirs["implied_steps_200_epochs"], theirs["implied_steps_100_epochs"]) == (1716, 3508)
    assert "4.3 times 400 at 200 epochs" in theirs["note"]
    ours = one(table, source="ours")
    assert (ours["seconds_per_step"], ours["overhead_seconds"]) == pytest.approx((0.5, 2.0))
    assert pd.isna(ours["implied_steps_200_epochs"])


def test_a_line_through_several_runs_of_a_model_names_its_steps_once(tmp_path, runtimes):
    runs = {f"planaria-100-seed{seed}": {"model": "planaria-100", "seed": seed} for seed in (1, 2)}
    study = SEEDED | {"runs": {"planaria-steps25": {"model": "planaria-steps25", "seed": 0}} | runs}
    paths = {run: tmp_path / f"{run}.csv" for run in study["runs"]}
    for path, seconds in zip(paths.values(), (4.0, 33.0, 35.0), strict=True):
        write_history(path, seconds)
    ours = one(tables.runtime_lines_table(paths, study, runtimes), source="ours")
    assert ours["steps"] == "4, 64"
    assert (ours["seconds_per_step"], ours["overhead_seconds"]) == pytest.approx((0.5, 2.0))


def test_written_tables(tmp_path, scores, published):
    table = tables.generalization_table(scores, STUDY, published)
    csv, md = tmp_path / "new" / "t.csv", tmp_path / "new" / "t.md"
    tables.write_table(table, csv, md, "Generalization", "Reduced study.")
    again = pd.read_csv(csv, dtype={"epochs": "Int64"})
    assert list(again.columns) == [*table.columns, "study"]
    assert set(again["study"]) == {"Generalization"}
    np.testing.assert_allclose(again["c1_nrmse_mean"], table["c1_nrmse_mean"])
    text = md.read_text(encoding="utf-8")
    assert text.startswith("# Generalization\n\n> Reduced study.\n")
    assert text.index("## Protocol paper") < text.index("## Protocol study2019")
    assert "0.0551 ± 0.0108 (+106.8 %)" in text
    assert "| 100 × 400 × 16" in text
    assert "nan" not in text.lower().replace("planaria", "")
    assert sorted(path.name for path in csv.parent.iterdir()) == ["t.csv", "t.md"]


def test_markdown_is_a_sound_table_whatever_the_cells_hold(tmp_path):
    table = pd.DataFrame(
        {"a": ["x|y", None], "b": [1.0, np.nan], "c": [1e-5, 12345.6], "d": [None, None]}
    )
    tables.write_table(table, tmp_path / "t.csv", tmp_path / "t.md", "T", "")
    lines = (tmp_path / "t.md").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# T"
    cells = [
        [cell.strip() for cell in line.replace(r"\|", "/").strip("|").split("|")]
        for line in lines[2:]
    ]
    assert cells[0] == ["a", "b", "c"]
    assert cells[2:] == [["x/y", "1", "1e-05"], ["", "", "12346"]]


def test_one_volume_shows_no_deviation(published):
    table = tables.replication_table(our_scores((1.0,)), STUDY, published, "planaria")
    text = tables.readable(table[table["source"] == "ours"])
    assert text["NRMSE C1"].iloc[0] == "0.2000"
