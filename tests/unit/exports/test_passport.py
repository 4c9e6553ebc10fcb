"""The passport of an exported network: its use, scores, origin and limits."""

import json
from itertools import pairwise

import pandas as pd
import pytest
from made_up import scores_of, students, study_of

from denoising.exports.passport import Evidence, description, passport
from denoising.study.names import PREDICTED, RESCALED

STUDY = study_of(
    {
        "main": {
            "tested_on": ["planaria"],
            "models": {
                "care": {"trained_on": "planaria", "loss": "laplace", "epochs": 7},
                "plain": {"trained_on": "planaria", "loss": "mae"},
            },
        }
    },
    baselines=["gaussian", "median"],
    note="A note of the study.",
)
METRICS = {"nrmse": 1.0, "psnr": 200.0, "ssim": 5.0}
VALUES = {"care": 0.04, "plain": 0.05, "input": 0.10, "gaussian": 0.06, "median": 0.08}
FACTORS = {"1": 0.5, "2": 1.0, "3": 1.5}  # of the conditions
RECORD = {
    "commit": "abc123",
    "uncommitted_changes": False,
    "inputs": {"planaria": {"source": "planaria.tar.gz", "sha256": "5ca1ab1e"}},
}


def write_scores(path, method):
    """Scores of three volumes in every condition."""
    own = {"model": method}
    if method not in STUDY.models:
        own = {"seed": "", "model": "", "trained_on": "", "output": method}
    tables = [
        scores_of(
            [factor * VALUES[method] * scale * FACTORS[condition] for factor in (0.9, 1.0, 1.1)],
            metric=metric, condition=condition, **own,
        )
        for metric, scale in METRICS.items()
        for condition in FACTORS
    ]  # fmt: skip
    pd.concat(tables).to_csv(path, index=False)


@pytest.fixture
def evidence(tmp_path):
    for method in VALUES:
        write_scores(tmp_path / f"{method}.csv", method)
    training = {"epochs": 7, "best_epoch": 5, "sha256": {"weights_best.h5": "f00d"}}
    (tmp_path / "training.json").write_text(json.dumps(training))

    def of(methods=VALUES, calibration=None, record=RECORD, licence=""):
        files = [tmp_path / f"{method}.csv" for method in methods]
        return Evidence(files, calibration or {}, tmp_path / "training.json", record, licence)

    return of


def rows_of(page):
    """Cells of the rows of planaria, in all tables of the page."""
    lines = [line for line in page.splitlines() if line.startswith("| planaria")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_a_passport_says_use_scores_origin_and_limits_in_this_order(evidence):
    page = passport("care", STUDY, evidence())
    parts = ["# care", "> A note of the study.", "removes noise from", "percentiles 3 and 99.8"]
    parts += ["## Validation on held-out images", "## Origin", "## Limits"]
    assert all(page.index(one) < page.index(other) for one, other in pairwise(parts))
    assert "## Calibration" not in page
    assert page.endswith("\n") and "\n\n\n" not in page


def test_the_network_stands_beside_the_input_and_the_best_filter(evidence):
    page = passport("care", STUDY, evidence())
    rows = rows_of(page)
    methods = ("network", "input", "best filter (Gaussian)")
    conditions = ("cleanest (C1)", "C2", "noisiest (C3)")
    assert [row[1:3] for row in rows] == [[one, method] for one in conditions for method in methods]
    reach = students([0.018, 0.02, 0.022])
    assert rows[0][3] == f"0.0200 ({0.02 - reach:.4f} to {0.02 + reach:.4f})"
    assert [row[3][:6] for row in rows] == [
        *("0.0200", "0.0500", "0.0300"),
        *("0.0400", "0.1000", "0.0600"),
        *("0.0600", "0.1500", "0.0900"),
    ]
    assert [row[4][:6] for row in rows[3:6]] == ["0.2000", "0.5000", "0.3000"]
    assert all(row[5] == "3" for row in rows)
    assert "- care on planaria: NRMSE 0.0400, input 0.1000, best filter (Gaussian) 0.0600" in page


def test_scores_that_are_missing_are_named(evidence):
    with pytest.raises(ValueError) as error:
        passport("care", STUDY, evidence(methods=["input", "gaussian"]))
    files = ", ".join(map(str, evidence(methods=["input", "gaussian"]).scores))
    assert str(error.value) == (
        f"{files}: found no scores of care and the input on planaria; delete these files and run"
        " again."
    )


def test_predicted_errors_have_their_coverage_as_predicted_and_rescaled(evidence, tmp_path):
    shares = {PREDICTED: 0.8, RESCALED: 0.95}
    rows = [
        {
            "intervals": intervals, "kind": "coverage", "condition": "2", "volume": volume,
            "level": 0.95, "expected": 0.95, "observed": share, "count": 100,
        }
        for intervals, share in shares.items()
        for volume in "abc"
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(tmp_path / "calibration.csv", index=False)
    page = passport("care", STUDY, evidence(calibration={"planaria": tmp_path / "calibration.csv"}))
    assert page.index("## Validation") < page.index("## Calibration") < page.index("## Origin")
    shown = [row[1:] for row in rows_of(page) if len(row) == 4]
    assert [
        (condition, predicted[:5], rescaled[:5]) for condition, predicted, rescaled in shown
    ] == [
        ("cleanest (C1)", "", ""),
        ("C2", "0.800", "0.950"),
        ("noisiest (C3)", "", ""),
    ]


def test_the_origin_has_settings_checksums_commit_and_licence(evidence):
    page = passport("care", STUDY, evidence(licence="MIT"))
    lines = page[page.index("## Origin") : page.index("## Limits")].splitlines()
    assert "- study: A study" in lines
    (training,) = (line for line in lines if line.startswith("- training: seed"))
    assert ", epochs 7," in training and "None" not in training
    assert "- epochs: 7, weights of epoch 5" in lines
    assert "- training and test data planaria: planaria.tar.gz, SHA-256 `5ca1ab1e`" in lines
    assert "- SHA-256 of weights_best.h5: `f00d`" in lines
    assert "- exported by the workflow at commit abc123" in lines
    assert "- licence: MIT" in lines
    assert "licence" not in passport("care", STUDY, evidence())


def test_changes_that_are_in_no_commit_are_said_and_own_files_have_checksums_of_their_own(evidence):
    files = {"a.tif": {"sha256": "aa"}, "b.tif": {"sha256": "bb"}}
    inputs = {"planaria": {"source": "raw/*.tif", "files": files}}
    page = passport(
        "care", STUDY, evidence(record=RECORD | {"uncommitted_changes": True, "inputs": inputs})
    )
    assert "at commit abc123, with uncommitted changes" in page
    assert "raw/*.tif, SHA-256 of its files: a.tif `aa`, b.tif `bb`" in page


def test_what_a_network_predicts_and_how_often_it_was_trained_is_said():
    settings = {name: description(STUDY.models[name], STUDY) for name in STUDY.models}
    assert settings["care"].endswith("voxels, and predicts the scale of its error too.")
    assert settings["plain"].endswith("voxels.")
    assert "of the axes ZYX, trained on planaria." in settings["plain"]
    depth, kernel = STUDY.models["care"].training.depth, STUDY.models["care"].training.kernel
    assert f"of depth {depth} with kernels of {kernel} voxels" in settings["care"]


def test_one_training_is_a_limit_of_its_own(evidence):
    page = passport("care", STUDY, evidence())
    assert "The model was trained once: another training would score otherwise." in page
    assert "Its last channels are scales" in page
    assert "Its last channels are scales" not in passport("plain", STUDY, evidence())
