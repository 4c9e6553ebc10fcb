"""Times that jump, settings and files that are changed between runs.

Which rules each key of the config runs again: tests/workflow/test_reruns.py; edits to the library:
tests/workflow/test_miniature.py.
"""

import os
import re
import subprocess
import time

import pandas as pd
import pytest
import yaml
from conftest import HERE, SCORES, last_words

DAY = 86_400 * 10**9  # nanoseconds
TUNED = "results/baselines/gaussian/worms.json"
SPLIT = "results/splits/worms/random.csv"


def shift(study, days, folders=("results", "benchmarks")):
    """Move the times of all files and folders in some folders."""
    for folder in folders:
        for path in [*(study.root / folder).rglob("*"), study.root / folder]:
            times = path.lstat()
            moved = (times.st_atime_ns + days * DAY, times.st_mtime_ns + days * DAY)
            os.utime(path, ns=moved, follow_symlinks=False)


@pytest.mark.parametrize("days", [-20_000, 1])
def test_a_clock_that_was_wrong_runs_nothing_again(finished, days):
    shift(finished, days)
    assert finished.go(check=True).ran == set()
    assert finished.wrong() == []


def test_files_of_the_future_are_refused_before_any_job_and_can_be_touched(finished):
    """The clock has been set back since the archive was made."""
    shift(finished, 1, ["results/archives", "results/volumes"])
    (finished.root / SCORES).unlink()
    done = finished.go()
    assert done.returncode
    assert done.ran == set()
    assert "results/volumes/worms: written in the future, at 20" in done.said
    (command,) = re.findall("by `(find .*?)`", done.said)
    subprocess.run(command, shell=True, cwd=finished.root, check=True)
    finished.recovers()


def test_a_changed_setting_runs_again_what_depends_on_it_and_so_does_the_way_back(finished):
    config = yaml.safe_load((HERE / "study.yaml").read_text())
    config["baselines"] = ["median"]
    original, finished.config = finished.config, finished.write_config(config)
    done = finished.go(check=True)
    assert done.ran == {
        "tune_baseline", "baseline", "evaluate", "objects", "resolution", "gather_scores"
    }  # fmt: skip
    assert (finished.root / SCORES).read_bytes() != finished.expected[SCORES]
    finished.config = original
    assert finished.go(check=True).ran == {"gather_scores"}
    assert (finished.root / SCORES).read_bytes() == finished.expected[SCORES]


def test_settings_that_no_study_can_have_are_refused_and_lose_nothing(finished):
    original = finished.config
    finished.config = finished.root / "half.yaml"
    text = original.read_text()
    for broken, words in (
        (text[: text.index("studies:")], "The config does not describe a study."),
        (text + "  {", "Config file is not valid"),
        (text.replace("width: 4", "width: four"), "training.width is 'four'"),
        ("", "Config file must be given as JSON or YAML with keys at top level"),
    ):
        finished.config.write_text(broken)
        done = finished.go()
        assert done.returncode
        assert words in done.said
        assert "Traceback" not in done.said
    finished.config = original
    assert finished.go(check=True).ran == set()
    assert finished.wrong() == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda split: pd.concat([split, split.assign(patch=split["patch"] + 24)]),
         "has patches from 0 to 47, but there are 24, from 0"),
        (lambda split: pd.concat([split, split[:1]]), "has a patch twice, expected each once"),
        (lambda split: split.replace("validation", "test"), r"has the parts \['test'\], expected"),
    ],
    ids=["of more patches", "of a patch twice", "of other parts"],
)  # fmt: skip
def test_stale_patches_beside_a_new_split_are_not_used(finished, change, words):
    path = finished.root / SPLIT
    times = path.stat()
    change(pd.read_csv(path)).to_csv(path, index=False)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    done = finished.go(TUNED, "--force")
    assert done.returncode
    said = last_words(done)
    assert pd.Series([said]).str.contains(words).all(), said
    assert f"delete {SPLIT} and run the same command" in said
    path.unlink()
    finished.go(TUNED, check=True)
    assert finished.wrong() == []


def test_labels_of_other_patches_are_not_split(finished):
    path = finished.root / "results/patches/worms/patches.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    done = finished.go(SPLIT, "--force")
    assert done.returncode
    assert "has labels of 23 patches, but results/patches/worms holds 24" in last_words(done)
    path.unlink()
    finished.go(SPLIT, check=True)
    assert finished.wrong() == []


def test_a_file_that_somebody_touched_changes_no_score(finished):
    now = time.time()
    os.utime(finished.root / "results/archives/worms.tar.gz", (now, now))
    assert "train" not in finished.go(check=True).ran
    assert finished.wrong() == []
