"""How two runs of a study compare: table by table, and in what may be to blame."""

import json
import sys

import pytest
from made_up import ROOT

from denoising.report.reproduction import compare_runs, compare_tables

sys.path.append(str(ROOT / "tests"))
from reproduce import elsewhere  # noqa: E402

HEAD = "method,nrmse,sentence"
ROWS = ["a,0.05,ahead", "b,0.07,behind"]


@pytest.fixture
def compared(tmp_path):
    """What is said of a table, given its rows in the second run."""

    def of(rows, head=HEAD, name="tables/scores.csv"):
        for run, lines in {"first": [HEAD, *ROWS], "second": [head, *rows]}.items():
            (tmp_path / run / "tables").mkdir(parents=True, exist_ok=True)
            (tmp_path / run / "scores.csv").write_text("value\n1\n")
            (tmp_path / run / name).write_text("\n".join(lines) + "\n")
        whole, table = compare_tables(tmp_path / "first", tmp_path / "second")
        assert (whole.name, whole.sentence) == ("scores.csv", "same to the bit")
        assert table.name == name
        return table.sentence, table.is_same

    return of


def test_the_same_bytes_are_the_same(compared):
    assert compared(ROWS) == ("same to the bit", True)


def test_numbers_within_the_tolerance_are_the_same(compared):
    assert compared(["a,0.0500099,ahead", ROWS[1]]) == ("same within 1e-05", True)


def test_the_column_that_differs_is_named_with_its_largest_difference(compared):
    said = compared([ROWS[0].replace("0.05", "0.051"), ROWS[1].replace("0.07", "0.068")])
    assert said == ("differs: nrmse by up to 0.002 (line 3)", False)


def test_words_that_differ_are_quoted(compared):
    said = compared([ROWS[0].replace("ahead", "behind"), ROWS[1]])
    assert said == ("differs: sentence in 1 of 2 rows, first 'ahead', now 'behind'", False)


def test_a_score_that_is_missing_differs(compared):
    said, is_same = compared(["a,,ahead", ROWS[1]])
    assert "first '0.05', now ''" in said
    assert not is_same


def test_other_rows_or_columns_differ(compared):
    assert "2 rows of method, nrmse, sentence; now 1 rows" in compared(ROWS[:1])[0]
    assert not compared(ROWS, head="method,ssim,sentence")[1]


def test_tables_of_times_need_not_agree(compared):
    said, is_same = compared(["a,0.9,ahead", ROWS[1]], name="tables/runtimes.csv")
    assert "measured times" in said
    assert is_same


def test_a_table_of_one_run_alone_is_named(tmp_path, compared):
    compared(ROWS)
    (tmp_path / "second/tables/scores.csv").unlink()
    missing = compare_tables(tmp_path / "first", tmp_path / "second")[1]
    assert "second/tables/scores.csv is missing" in missing.sentence
    assert not missing.is_same


def test_what_differs_between_the_runs_is_named(tmp_path):
    record = {
        "commit": "abc", "uncommitted_changes": [], "python": "3.11.7", "platform": "Linux",
        "packages": {"numpy": {"pinned": "2.1.3", "installed_here": "2.1.3"}},
        "inputs": {"a": {"sha256": "1"}, "b": {"files": {"x.tif": {"sha256": "2"}}}},
        "seeds": {"a-care": 7},
    }  # fmt: skip
    for run, device in {"first": "CPU, 1 threads", "second": "NVIDIA H200"}.items():
        model = tmp_path / run / "models/a-care"
        model.mkdir(parents=True)
        (model / "training.json").write_text(json.dumps({"device": device}))
        (tmp_path / run / "provenance.json").write_text(json.dumps(record))
        record["packages"]["numpy"]["installed_here"] = "2.2.0"
        record["inputs"]["b"]["files"]["x.tif"]["sha256"] = "3"
        record |= {"commit": "def", "processor": "A CPU"}
    assert compare_runs(tmp_path / "first", tmp_path / "first") == []
    assert compare_runs(tmp_path / "first", tmp_path / "second") == [
        "commit: abc, now def",
        "numpy: 2.1.3, now 2.2.0",
        "input b: ['2'], now ['3']",
        "device of a-care: CPU, 1 threads, now NVIDIA H200",
        "processor: not recorded, now A CPU",
    ]


def test_paths_of_a_config_are_those_of_the_first_run(tmp_path):
    models = {
        "own": {"trained_on": "a", "start_from": "nets/x"},
        "more": {"trained_on": "a", "start_from": "own"},
        "theirs": {"pretrained": "/nets/y"},
    }
    config = {
        "datasets": {
            "a": {"pairs": {"low": "raw/*_low.tif", "high": "/raw/*_high.tif"}},
            "b": {"archive": {"url": "https://example.org/b.tar.gz", "path": None}},
        },
        "studies": {"s": {"models": models}},
        "restore": {"images": ["new"]},
    }
    moved = elsewhere(config, tmp_path)
    assert moved["datasets"]["a"]["pairs"] == {
        "low": f"{tmp_path}/raw/*_low.tif", "high": "/raw/*_high.tif",
    }  # fmt: skip
    assert moved["datasets"]["b"]["archive"]["path"] is None
    moved_models = moved["studies"]["s"]["models"]
    assert moved_models["own"]["start_from"] == f"{tmp_path}/nets/x"
    assert moved_models["more"]["start_from"] == "own"
    assert moved_models["theirs"]["pretrained"] == "/nets/y"
    assert "restore" not in moved
