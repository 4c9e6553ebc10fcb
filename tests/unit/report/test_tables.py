"""Tables: ours beside the published values, protocols apart, differences as they follow."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest
from made_up import ROOT, run_table, scores_of, students, study_of

from denoising.evaluation.columns import CALIBRATION
from denoising.evaluation.runtimes import MEASURED

SCORES = ROOT / "resources/published_scores.csv"
RUNTIMES = ROOT / "resources/published_runtimes.csv"
BOTH = ["planaria", "tribolium"]
NRMSE = {"input": 0.2, "nlm": 0.1, "planaria": 0.03, "planaria-100": 0.04, "tribolium-100": 0.05}
VOLUMES = (0.9, 1.1, 1.0)  # factors of the scores
STUDENT = students(VOLUMES)


def a_study(seeds=(0,), **changes):
    """Two comparisons and a sweep; the 100-epoch models have these seeds."""
    seeded = {"seeds": list(seeds)}
    studies = {
        "replication": {
            "tested_on": BOTH,
            "models": {"planaria": {"trained_on": "planaria", "epochs": 40, "seeds": [0]}},
        },
        "generalization": {
            "tested_on": BOTH,
            "models": {
                "planaria-100": {"trained_on": "planaria"} | seeded,
                "tribolium-100": {"trained_on": "tribolium"} | seeded,
            },
        },
        "steps": {
            "base": "planaria-100",
            "varies": "steps_per_epoch",
            "models": {"planaria-steps25": {"steps_per_epoch": 4, "seeds": [0]}},
        },
    }
    return study_of(studies, **{"baselines": ["nlm"]} | changes)


STUDY = a_study()
SEEDED = a_study(seeds=(1, 2))


def method_scores(name, seed, nrmse, volumes=VOLUMES, conditions=("1", "2", "3")):
    """Scores of a run, ensemble or reference on both test sets: SSIM is one less NRMSE."""
    model = name.removesuffix("-ensemble")
    is_model = model in STUDY.models
    place = itertools.product(BOTH, conditions, ("paper", "study2019"), ("nrmse", "ssim"))
    return pd.concat(
        scores_of(
            [nrmse * v if metric == "nrmse" else 1 - nrmse * v for v in volumes],
            seed,
            name if is_model else "",
            trained_on=STUDY.models[model].trained_on if is_model else "",
            tested_on=tested_on,
            condition=condition,
            output="network" if is_model else name,
            protocol=protocol,
            metric=metric,
        )
        for tested_on, condition, protocol, metric in place
    )


def written(folder, *tables):
    """The path of these scores as a file, in a list, as rules give it."""
    path = folder / "scores.csv"
    pd.concat(tables).to_csv(path, index=False)
    return [path]


def once(volumes=VOLUMES):
    """Scores of models that were trained once, and of what they are compared with."""
    return [
        method_scores(name, "0" if name in STUDY.models else "", nrmse, volumes)
        for name, nrmse in NRMSE.items()
    ]


def twice():
    """Scores of the 100-epoch models trained twice, and of their ensembles; the others once."""
    runs = [
        ("planaria-100", "1", 0.03),
        ("planaria-100", "2", 0.05),
        ("planaria-100-ensemble", "", 0.035),
        ("tribolium-100", "1", 0.05),
        ("tribolium-100", "2", 0.05),
        ("tribolium-100-ensemble", "", 0.042),
        ("planaria", "0", 0.03),
        ("input", "", 0.2),
    ]
    return [method_scores(*run) for run in runs]


@pytest.fixture
def score_table(tmp_path):
    """Run the table of scores on one test set."""

    def run(tables, study=STUDY, dataset="planaria"):
        name = study.datasets[dataset].table
        files = {"scores": written(tmp_path, *tables), "published": SCORES, "records": []}
        return run_table("scores", study, tmp_path, name, **files)

    return run


@pytest.fixture
def generalization(tmp_path):
    def run(tables, study=STUDY):
        files = {"scores": written(tmp_path, *tables), "published": SCORES}
        return run_table("generalization", study, tmp_path, **files)

    return run


def one(table, **where):
    """The single row of `table` with these values."""
    for column, value in where.items():
        table = table[table[column] == value]
    assert len(table) == 1
    return table.iloc[0]


def markdown_cell(text, column, *starts):
    """The cell of a column in the first Markdown row that begins with these cells."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    header = next(cells for cells in lines if column in cells)
    row = next(cells for cells in lines if cells[: len(starts)] == list(starts))
    return row[header.index(column)]


@pytest.mark.parametrize("window", ["7x7", "7x7x7"])
def test_tables_say_if_ssim_is_by_plane(score_table, generalization, tmp_path, window):
    tables = [table.assign(window=window) for table in once()]
    files = {"scores": written(tmp_path, *tables)[0], "records": []}
    verdicts = run_table("verdicts", STUDY, tmp_path, **files)
    texts = [score_table(tables)[1], generalization(tables)[1], verdicts[1]]
    said = ["SSIM by plane (planaria):", *["SSIM by plane (planaria, tribolium):"] * 2]
    for text, words in zip(texts, said, strict=True):
        assert (words in text) is (window == "7x7")


def test_scores_stand_beside_the_published(score_table):
    table, text = score_table(once())
    ours = one(table, protocol="study2019", method="planaria-100", source="ours")
    assert ours["c1_nrmse_mean"] == pytest.approx(0.04)
    assert ours["c1_nrmse_sd"] == pytest.approx(0.004)
    assert (ours["epochs"], ours["n"], ours["seeds"]) == (20, 3, 1)
    theirs = one(table, protocol="study2019", method="planaria-100", source="2019 study, Table 1")
    assert (theirs["c1_nrmse_mean"], theirs["c1_nrmse_sd"]) == (0.02666, 0.0051)
    assert (theirs["c3_ssim_mean"], theirs["epochs"]) == (0.79344, 100)
    assert theirs[["n", "c1_nrmse_low", "c1_nrmse_high"]].isna().all()
    paper = "CARE paper, as the 2019 study quotes it"
    assert one(table, protocol="paper", method="input", source=paper)["c2_ssim_mean"] == 0.170711
    assert set(table["study"]) == {"A study: scores on planaria"}
    assert text.startswith("# A study: scores on planaria\n\n> A note.\n")
    assert "0.027 ± 0.005" in text
    assert "| 100 × 400 × 16" in text
    assert "nan" not in text.lower().replace("planaria", "")


def test_psnr_stands_where_its_protocol_has_it(score_table):
    places = itertools.product(("planaria-100", ""), ("1", "2", "3"))
    psnr = [
        scores_of(
            [29.0, 30.0, 31.0],
            "0" if model else "",
            model,
            trained_on="planaria" if model else "",
            condition=condition,
            output="network" if model else "input",
            metric="psnr",
        )
        for model, condition in places
    ]
    table, text = score_table([*once(), *psnr])
    ours = one(table, protocol="paper", method="planaria-100", source="ours")
    assert ours["c1_psnr_mean"] == pytest.approx(30)
    quoted = one(table, method="Noise2Same", source="Noise2Same notebook")
    assert (quoted["c1_nrmse_mean"], quoted["c1_psnr_mean"]) == (0.03296, 29.81)
    assert table.loc[table["protocol"] == "study2019", "c1_psnr_mean"].isna().all()
    assert "PSNR" not in text.split("## ")[2]
    assert "PSNR (dB), cleanest (C1)" in text.split("## ")[1]


def test_protocols_are_never_mixed(score_table):
    table, text = score_table(once())
    assert table["protocol"].drop_duplicates().tolist() == ["paper", "study2019"]
    assert (table["protocol"] == "paper").sum() == (table["protocol"] == "paper").idxmin()
    paper = table[table["protocol"] == "paper"]
    assert not paper["source"].str.startswith("2019").any()
    assert table["method"].iloc[:3].tolist() == ["input", "input", "non-local means"]
    assert text.index("## Protocol paper") < text.index("## Protocol study2019")


def test_conditions_stand_by_quality_and_swapped_roles_are_noted(score_table):
    table, text = score_table(once(), dataset="tribolium")
    study2019 = table[table["source"].str.startswith("2019")]
    assert study2019["note"].str.contains("truth and input swapped").all()
    assert (table.loc[table["source"] == "ours", "note"] == "").all()
    means = [name for name in table if name.endswith("nrmse_mean")]
    assert means == ["c3_nrmse_mean", "c2_nrmse_mean", "c1_nrmse_mean"]
    assert "NRMSE, cleanest (C3)" in text
    assert "NRMSE, noisiest (C1)" in text


def own_images(published):
    """A study of one dataset of images with one condition, and one model."""
    source = {"pairs": {"low": "a/*.tif", "high": "b/*.tif", "axes": "ZYX"}}
    dataset = source | {"patches": {"shape": [8, 16, 16]}, "published": published}
    models = {"planaria": {"trained_on": "worms", "epochs": 40}}
    studies = {"replication": {"models": models}}
    return study_of(studies, datasets={"worms": dataset}, baselines=["nlm"])


@pytest.mark.parametrize("published", [None, "planaria"])
def test_published_values_are_those_that_the_config_names(score_table, published):
    study = own_images(published)
    condition = study.datasets["worms"].condition_names[0]
    renamed = {"planaria": "worms"}
    rows = pd.concat(once()).replace({"tested_on": renamed, "trained_on": renamed})
    rows = rows[(rows["tested_on"] == "worms") & rows["model"].isin(["", "planaria"])]
    rows = rows[rows["condition"] == "1"].assign(condition=condition)
    table, _ = score_table([rows], study, "worms")
    assert ("CARE paper, as the 2019 study quotes it" in set(table["source"])) is False
    assert set(table["source"]) == {"ours"}
    means = [name for name in table if name.endswith("_mean")]
    assert means == [f"{condition}_{metric}_mean" for metric in ("nrmse", "ssim", "psnr")]


def test_unknown_models_are_refused(score_table):
    stray = pd.concat(once()).replace({"model": {"planaria": "planaira"}})
    with pytest.raises(ValueError, match="planaira"):
        score_table([stray])


def test_the_spread_between_trainings_stands_apart_from_that_between_volumes(score_table):
    table, text = score_table(twice(), SEEDED)
    several = one(table, protocol="paper", method="planaria-100", source="ours")
    assert several["seeds"] == 2
    assert several["c1_nrmse_mean"] == pytest.approx(0.04)
    assert several["c1_nrmse_sd"] == pytest.approx(0.004)  # of the volumes' means over trainings
    assert several["c1_nrmse_sd_seeds"] == pytest.approx(0.02 / 2**0.5)  # of 0.03 and 0.05
    single = one(table, protocol="paper", method="planaria", source="ours")
    assert pd.isna(single["c1_nrmse_sd_seeds"])
    # No interval of two trainings
    column = "NRMSE, cleanest (C1)"
    assert markdown_cell(text, column, "planaria-100", "ours", "20 × 64 × 4", "2") == "0.040"
    assert "over test volumes and, where a model has several, trainings" in text


def test_with_one_training_per_model_there_is_no_spread_between_them(score_table):
    table, text = score_table(once())
    assert not [name for name in table if "sd_seeds" in name]
    assert "between two trainings" in text


def test_intervals_are_students_and_the_best_of_ours_is_bold(score_table):
    table, text = score_table(once())
    ours = one(table, protocol="paper", method="planaria", source="ours")
    assert ours["c1_nrmse_high"] - ours["c1_nrmse_low"] == pytest.approx(2 * 0.03 * STUDENT)
    cell = markdown_cell(text, "NRMSE, cleanest (C1)", "planaria", "ours")
    assert cell.startswith("**0.030 (0.02")
    assert cell.endswith(")**")
    assert not markdown_cell(text, "NRMSE, cleanest (C1)", "planaria-100", "ours").startswith("*")


@pytest.mark.parametrize("volumes", [(1.0,), (0.9, 1.1)])
def test_one_volume_has_no_spread_and_two_show_their_values(score_table, volumes):
    table, text = score_table(once(volumes))
    cell = markdown_cell(text, "NRMSE, cleanest (C1)", "input", "ours")
    assert cell == ("0.200" if len(volumes) == 1 else "0.200 (0.180, 0.220)")
    assert "95 % interval" not in text
    ours = one(table, protocol="paper", method="input", source="ours")
    if len(volumes) == 1:
        assert "1 test volume: no spread" in text
        assert pd.isna(ours["c1_nrmse_sd"])
    else:
        assert "Two test volumes have no interval" in text
        assert pd.isna(ours["c1_nrmse_low"])
        assert ours["c1_nrmse_sd"] == pytest.approx(0.2 * 0.02**0.5)


def test_a_table_of_scores_begins_with_a_sentence_per_network(score_table):
    _, text = score_table(once())
    held_out, *said = [line for line in text.splitlines() if line.startswith("- ")]
    assert held_out == "- Held out for testing on planaria: 3 volumes."
    assert [line.split()[1] for line in said] == ["planaria", "planaria-100", "tribolium-100"]
    assert all(" on planaria: NRMSE" in line for line in said)
    assert "ahead of the input and every filter in all 6 means" in said[0]
    assert text.index(said[-1]) < text.index("## Protocol paper")


def test_the_table_of_verdicts_begins_with_what_was_held_out_and_a_sentence_per_network(tmp_path):
    (scores,) = written(tmp_path, *once())
    table, text = run_table("verdicts", STUDY, tmp_path, scores=scores, records=[])
    said = [line.removeprefix("- ") for line in text.splitlines() if line.startswith("- ")]
    held_out = [f"Held out for testing on {name}: 3 volumes." for name in BOTH]
    assert said == held_out + table["sentence"].tolist()
    assert set(table["tested_on"]) == set(BOTH)
    finding = markdown_cell(text, "finding", "planaria", "planaria-100")
    assert finding.startswith("the network is ahead of ")


def test_baselines_have_labels_and_the_order_of_the_config(score_table):
    study = a_study(baselines=["median", "tv", "nlm"])
    extra = [method_scores(name, "", 0.1) for name in ("tv", "median")]
    table, _ = score_table([*once(), *extra], study)
    ours = table.loc[(table["protocol"] == "paper") & (table["source"] == "ours"), "method"]
    assert ours.tolist()[:4] == ["input", "median", "total variation", "non-local means"]


def test_an_ensemble_follows_its_model_with_its_settings_and_no_seeds(score_table):
    table, _ = score_table(twice(), SEEDED)
    block = table[table["protocol"] == "study2019"].reset_index(drop=True)
    model = block.index[block["method"] == "planaria-100"]
    (ensemble,) = block.index[block["method"] == "planaria-100-ensemble"]
    assert ensemble == model[-1] + 1  # after ours and the published
    row = block.loc[ensemble]
    assert row[["epochs", "steps_per_epoch", "batch_size", "n"]].tolist() == [20, 64, 4, 3]
    assert pd.isna(row["seeds"])
    assert row["c2_nrmse_mean"] == pytest.approx(0.035)
    assert row["note"] == "mean of 2 trainings' restorations; interval over volumes alone"


def test_comparisons_are_paired_and_signed(tmp_path):
    study = a_study(seeds=(1, 2), baselines=["median", "nlm"])
    filters = [method_scores("nlm", "", 0.1), method_scores("median", "", 0.12)]
    (path,) = written(tmp_path, *twice(), *filters)
    table, text = run_table("comparisons", study, tmp_path, scores=path)
    place = {"protocol": "paper", "tested_on": "planaria", "method": "planaria"}
    row = one(table, **place, reference="input")
    assert row["c1_nrmse_difference"] == pytest.approx(-0.17)
    assert row["c1_ssim_difference"] == pytest.approx(0.17)
    assert row["c1_nrmse_high"] - row["c1_nrmse_low"] == pytest.approx(2 * 0.17 * STUDENT)
    assert row["n"] == 3
    own = {"method": "planaria-100-ensemble", "reference": "planaria-100"}
    own = one(table, protocol="paper", tested_on="tribolium", **own)
    assert own["c3_nrmse_difference"] == pytest.approx(-0.005)
    assert "planaria-steps25" not in set(table["method"])  # not scored
    assert {"input", "median", "non-local means"} <= set(table["reference"])
    # The Markdown holds the best filter and models alone
    cell = markdown_cell(text, "NRMSE, cleanest (C1)", "planaria", "non-local means")
    assert cell.startswith("-0.0700 (-0.0")
    assert "| input " not in text
    assert "| median " not in text
    assert "method less reference" in text
    assert "between two trainings" in text


def test_strata_apart_and_only_where_there_are_any(tmp_path):
    rows = pd.concat(once())
    fixed = rows["volume"].map({"v0": "fixed", "v1": "", "v2": ""})
    rows = rows.assign(stratum=fixed.where(rows["tested_on"] == "planaria", ""))
    table, text = run_table("strata", STUDY, tmp_path, scores=written(tmp_path, rows))
    assert set(table["tested_on"]) == {"planaria"}
    assert set(table["stratum"]) == {"fixed", "none"}
    row = one(table, protocol="paper", stratum="fixed", method="planaria")
    assert (row["c1_nrmse_mean"], row["n"]) == (pytest.approx(0.9 * 0.03), 1)
    assert pd.isna(row["c1_nrmse_low"])
    assert "Test volumes: fixed 1, none 2." in text
    assert "(Student's t)" not in text
    cell = markdown_cell(text, "NRMSE, cleanest (C1)", "none", "planaria")
    assert cell == "0.032 (0.030, 0.033)"


def test_calibration_is_explained(tmp_path):
    rows = [
        (intervals, "coverage", "1", f"v{i}", level, level, level - gap * i, 8)
        for intervals, gap in (("predicted", 0.1), ("rescaled", 0.01))
        for i, level in itertools.product(range(3), (0.5, 0.95))
    ]
    rows += [("predicted", "scale", "1", f"v{i}", 0, 0.1, 0.12, 8) for i in range(3)]
    rows += [("rescaled", "scale", "1", f"v{i}", 0, 0.12, 0.12, 8) for i in range(3)]
    pd.DataFrame(rows, columns=CALIBRATION).to_csv(tmp_path / "c.csv", index=False)
    paths = [tmp_path / "c.csv"] * len(STUDY.calibrated)
    table, text = run_table("calibration", STUDY, tmp_path, calibration=paths)
    names = ["c1_ece_mean", "c1_inside_mean", "c1_ratio_mean"]
    for intervals, expected in (("predicted", [0.1, 0.85, 1.2]), ("rescaled", [0.01, 0.94, 1.0])):
        row = one(table, method="planaria", tested_on="planaria", intervals=intervals)
        assert row[names].tolist() == pytest.approx(expected)
    rows = table[(table["method"] == "planaria") & (table["tested_on"] == "planaria")]
    assert rows["intervals"].tolist() == ["predicted", "rescaled"]
    assert "inside 95 %, cleanest (C1)" in text
    assert "ECE: expected calibration error" in text
    assert "0.100 (0.000 to 0.348)" in text


def ladder(volumes):
    """Scores after each step of the ladder; tribolium begins a step earlier."""
    rows = []
    for dataset, first in (("planaria", 1), ("tribolium", 0)):
        for output, value in (("network", 0.1), ("input", 0.2)):
            for step, label in list(enumerate(("swapped", "right", "rescaled")))[first:]:
                for metric, i in itertools.product(("nrmse", "ssim"), range(volumes)):
                    names = (dataset, f"{dataset}-100", "1", f"v{i}", output, float(step), label)
                    rows.append((*names, metric, value * (1 + i) / (1 + step // 2)))
    columns = ["dataset", "model", "condition", "volume", "output", "step", "label", "metric"]
    return pd.DataFrame(rows, columns=[*columns, "value"])


@pytest.fixture
def explained(tmp_path):
    def run(volumes):
        ladder(volumes).to_csv(tmp_path / "e.csv", index=False)
        script = "why_the_numbers_differ"
        return run_table(script, STUDY, tmp_path, explanation=tmp_path / "e.csv")

    return run


def test_the_steps_between_the_protocols_in_order(explained):
    table, text = explained(volumes=3)
    assert table[["tested_on", "method", "step"]].to_numpy().tolist() == [
        ["planaria", "input", 1], ["planaria", "input", 2], ["planaria", "planaria-100", 1],
        ["planaria", "planaria-100", 2], ["tribolium", "input", 0], ["tribolium", "input", 1],
        ["tribolium", "input", 2], ["tribolium", "tribolium-100", 0],
        ["tribolium", "tribolium-100", 1], ["tribolium", "tribolium-100", 2],
    ]  # fmt: skip
    row = one(table, tested_on="tribolium", method="input", step=2)
    assert (row["c1_nrmse_mean"], row["c1_nrmse_change"]) == pytest.approx((0.2, -0.2))
    width = row["c1_nrmse_change_high"] - row["c1_nrmse_change_low"]
    assert width == pytest.approx(2 * students([-0.1, -0.2, -0.3]))  # of the volumes' changes
    change = markdown_cell(text, "change, cleanest (C1)", "input", "2", "rescaled")
    assert change.startswith("-0.200 (-0.4")
    tribolium = text.split("## ")[3]
    change = markdown_cell(tribolium, "change, noisiest (C1)", "input", "1", "right")
    assert change.startswith("0.000")


def test_the_steps_of_one_volume_have_no_intervals(explained):
    _, text = explained(volumes=1)
    assert markdown_cell(text, "NRMSE, cleanest (C1)", "input", "2", "rescaled") == "0.100"
    assert markdown_cell(text, "change, cleanest (C1)", "input", "2", "rescaled") == "-0.100"


def test_runtimes_of_restoration_in_order(tmp_path):
    paths = []
    tests = (("planaria", "tribolium"), ("planaria", "planaria"), ("nlm", "planaria"))
    for method, dataset in tests:
        record = {"method": method, "dataset": dataset, "seconds": 10, "voxels": 4_000_000}
        record |= {"threads": 2, "device": "CPU"} | ({"strength": 0.8} if method == "nlm" else {})
        paths.append(tmp_path / f"{method}-{dataset}.json")
        paths[-1].write_text(json.dumps(record))
    table, text = run_table("restoration_runtimes", STUDY, tmp_path, runtimes=paths)
    assert table["method"].tolist() == ["non-local means", "planaria", "planaria"]
    assert table["seconds_per_million_voxels"].tolist() == [2.5] * 3
    nlm = ("planaria", "non-local means")
    assert markdown_cell(text, "time per million voxels", *nlm) == "2.50 s"
    assert markdown_cell(text, "tuned strength", *nlm) == "0.8"
    assert markdown_cell(text, "tuned strength", "tribolium", "planaria") == ""


def test_an_ensemble_is_compared_with_an_ensemble(generalization):
    table, text = generalization(twice(), SEEDED)
    row = one(table, tested_on="planaria", method="tribolium-100-ensemble", protocol="paper")
    assert row["reference"] == "planaria-100-ensemble"
    assert row["c1_nrmse_percent"] == pytest.approx(20)
    row = one(table, tested_on="planaria", method="tribolium-100", protocol="paper")
    assert row["reference"] == "planaria-100"
    assert row["c1_nrmse_percent"] == pytest.approx(25)
    assert "In square brackets: difference from the reference" in text
    assert "0.050 [+25 %]" in text


def test_generalization_of_the_published_numbers(generalization):
    table, text = generalization(once())
    row = one(table, tested_on="planaria", method="tribolium-100", source="2019 study")
    assert row["reference"] == "planaria-100"
    ssim = [row[f"c{condition}_ssim_percent"] for condition in "123"]
    assert [round(value, 1) for value in ssim] == [-20.8, -22.3, -23.3]
    nrmse = [row[f"c{condition}_nrmse_percent"] for condition in "123"]
    assert [round(value) for value in nrmse] == [107, 88, 86]
    row = one(table, tested_on="tribolium", method="planaria-100", source="2019 study")
    assert row["reference"] == "tribolium-100"
    assert round(row["c3_nrmse_percent"], 1) == -1.9
    assert "0.055 ± 0.011 [+107 %]" in text


def test_generalization_of_ours_compares_equal_epochs(generalization):
    table, _ = generalization(once())
    for protocol in ("paper", "study2019"):
        place = {"tested_on": "planaria", "source": "ours", "protocol": protocol}
        row = one(table, method="tribolium-100", **place)
        assert row["reference"] == "planaria-100"
        assert row["c2_nrmse_percent"] == pytest.approx(25)
    row = one(table, tested_on="tribolium", method="planaria", source="ours", protocol="paper")
    assert row["reference"] == ""  # no tribolium model has 40 epochs
    assert pd.isna(row["c1_nrmse_percent"])
    assert "planaria-steps25" not in set(table["method"])


def test_hyperparameters_beside_the_published(tmp_path):
    table, text = run_table("hyperparameters", SEEDED, tmp_path, published=SCORES)
    planaria, seeded = one(table, model="planaria"), one(table, model="planaria-100")
    assert (planaria["epochs"], planaria["epochs_published"]) == (40, 200)
    assert planaria["width_published"] == 32
    assert (planaria["samples"], seeded["samples"]) == (40 * 64 * 4, 20 * 64 * 4)
    assert one(table, model="planaria-steps25")["samples"] == 20 * 4 * 4
    assert markdown_cell(text, "epochs", "planaria") == "40 (200)"
    assert markdown_cell(text, "seeds", "planaria-100") == "1, 2"
    constants = text.split("The same for all models: ")[1].split("\n")[0]
    assert "loss laplace" in constants
    assert "loss" not in text.split(constants)[1]


def test_settings_of_a_model_that_was_never_published_stand_alone(tmp_path):
    study = study_of({"a": {"models": {"mine": {"trained_on": "planaria"}}}})
    table, _ = run_table("hyperparameters", study, tmp_path, published=SCORES)
    assert pd.isna(table["epochs_published"].iloc[0])


def histories_of(study, folder, seconds):
    """A history of 20 epochs for each run, with these seconds per epoch, in the study's order."""
    paths = []
    for run, values in zip(study.runs, seconds, strict=True):
        paths.append(folder / f"{run}.csv")
        unmeasured = dict.fromkeys(MEASURED, np.nan)
        history = pd.DataFrame({"epoch": range(1, 21)} | unmeasured | values, index=range(20))
        history.to_csv(paths[-1], index=False)
    return paths


def trainings_of(study, folder, **changes):
    """What each run's training records of itself; `changes` are other precisions, by run."""
    paths = []
    for run in study.runs:
        precision = changes.get(run.replace("-", "_"), "float32")
        record = {"device": "CPU, 1 threads", "precision": precision, "restarts": 0, "xla": False}
        paths.append(folder / f"{run}.json")
        paths[-1].write_text(json.dumps(record))
    return paths


def test_runtimes_ours_and_published(tmp_path):
    seconds = [{"seconds": 34.0}] * 4
    files = {"histories": histories_of(STUDY, tmp_path, seconds), "published": RUNTIMES}
    files |= {"trainings": trainings_of(STUDY, tmp_path)}
    table, text = run_table("runtimes", STUDY, tmp_path, **files)
    assert one(table, model="planaria-100", source="ours")["hours"] == pytest.approx(34 * 20 / 3600)
    assert one(table, model="planaria-100", source="2019 study")["seconds_per_epoch"] == 144
    paper = one(table, model="planaria", source="CARE paper, as the 2019 study quotes it")
    assert pd.isna(paper["seconds_per_epoch"])
    assert len(table) == 4 + 12
    assert markdown_cell(text, "time", "planaria-100", "ours") == "11.3 min"
    assert markdown_cell(text, "time", "planaria-100", "2019 study") == "4.0 h"


def test_runtimes_have_a_row_per_run(tmp_path):
    measured = [
        {"seconds": 10.0, "samples_per_second": 100 * (6 - i), "host_memory_mb": 512.0}
        for i in range(6)
    ]
    files = {"histories": histories_of(SEEDED, tmp_path, measured), "published": RUNTIMES}
    files |= {"trainings": trainings_of(SEEDED, tmp_path, planaria_100_seed2="bfloat16")}
    table, text = run_table("runtimes", SEEDED, tmp_path, **files)
    ours = table[table["source"] == "ours"]
    assert ours["model"].tolist()[:3] == ["planaria", "planaria-100", "planaria-100"]
    assert ours["seed"].tolist()[1:3] == [1, 2]
    assert pd.isna(ours["seed"].iloc[0])  # its only one
    assert ours["samples_per_second"].tolist()[:3] == [600, 500, 400]
    assert "patches per second" in text
    assert "host memory (MB)" in text
    assert "device memory (MB)" not in text  # not measured: in the CSV alone
    assert "GPU energy" not in text
    assert {"device_memory_mb", "gpu_energy_kj"} <= set(table.columns)
    assert ours["precision"].tolist()[:3] == ["float32", "float32", "bfloat16"]
    assert ours["restarts"].tolist() == [0] * 6
    assert set(ours["device"]) == {"CPU, 1 threads"}
    assert "CPU, 1 threads" in text


def test_runtime_lines_run_through_every_training_of_a_setting(tmp_path):
    """Of planaria-100 two trainings; the published tribolium has two points, thus no line."""
    sweep = {
        "base": "planaria-100",
        "varies": "steps_per_epoch",
        "models": {
            "four": {"steps_per_epoch": 4, "seeds": [0]},
            "sixteen": {"steps_per_epoch": 16, "seeds": [0]},
        },
    }
    model = {"planaria-100": {"trained_on": "planaria", "seeds": [1, 2]}}
    study = study_of({"a": {"models": model}, "b": sweep})
    seconds = {"four": 4.0, "sixteen": 10.0, "planaria-100-seed1": 33.0, "planaria-100-seed2": 35.0}
    histories = histories_of(study, tmp_path, [{"seconds": seconds[run]} for run in study.runs])
    files = {"histories": histories, "published": RUNTIMES}
    table, text = run_table("runtime_lines", study, tmp_path, **files)
    theirs = one(table, source="2019 study")
    assert (theirs["trained_on"], theirs["steps"]) == ("planaria", "25, 100, 400")
    assert round(theirs["seconds_per_step"], 2) == 0.30
    assert round(theirs["overhead_seconds"]) == 23
    assert (theirs["implied_steps_200_epochs"], theirs["implied_steps_100_epochs"]) == (1716, 3508)
    assert "4.3 times 400 at 200 epochs" in theirs["note"]
    ours = one(table, source="ours")
    assert ours["steps"] == "4, 16, 64"
    assert (ours["seconds_per_step"], ours["overhead_seconds"]) == pytest.approx((0.5, 2.0))
    assert pd.isna(ours["implied_steps_200_epochs"])
    assert markdown_cell(text, "paper's time", "2019 study") == "30.1 h"
