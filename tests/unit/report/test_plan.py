"""The page that says what will run."""

import pandas as pd
import pytest
from made_up import study_of

from denoising.report.plan import Hours, Machine, Needs, found_in, page

NAMES = ("a", "b", "c")
STUDY = study_of({"mine": {"models": {name: {"trained_on": "planaria"} for name in NAMES}}})
MACHINE = Machine("CPU, 2 threads", 210e9, free_disk=50_000_000_000, memory=16_000_000_000)


def needs(**changes):
    runs = list(STUDY.runs)
    values = {
        "hours": {runs[0]: Hours(2, 2.6), runs[1]: Hours(0.1, 0.13)},
        "memory": 1.2e9,
        "disk": {"volumes": 3_000_000_000, "patches": 140_000_000, "restorations": 400_000},
        "unknown": [],
    }
    return Needs(**values | changes)


def test_the_page_says_models_time_disk_and_memory():
    said = page(STUDY, ["mine: 6 image pairs"], needs(), MACHINE).splitlines()
    first, second, *_ = STUDY.runs
    total = len(STUDY.runs)
    assert said[:7] == [
        "What will run: A study",
        "",
        "mine: 6 image pairs",
        "",
        f"Models: 2 of {total} trainings to run, {total - 2} are done.",
        f"  {first}: 2 to 2.6 hours",
        f"  {second}: 6 to 7.8 minutes",
    ]
    assert said[8].startswith("Time: 2.1 to 2.7 hours for the trainings, one after another; then")
    assert "(CPU, 2 threads) multiplies matrices at 210 GFLOP/s" in said[8]
    assert said[9] == (
        "Disk: 3.1 GB in results/: volumes 3 GB, patches 0.14 GB, restorations 1 MB (restorations"
        " go once they are scored); 50 GB are free."
    )
    assert said[10] == (
        "Memory: 1.2 GB for the largest training, at a time; the machine has 16 GB."
    )
    assert len(said) == 11


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hours": {}}, "Time: nothing to train"),
        ({"disk": {"volumes": 60_000_000_000}}, "FREE MORE before you start"),
        ({"disk": {"volumes": 0, "patches": 0}}, "Disk: not known yet; 50 GB are free."),
        ({"memory": 20e9}, "IT WILL NOT FIT: set a smaller training.batch_size or patches.shape"),
        (
            {"unknown": ["planaria"]},
            "Not counted, because their images are not here yet: planaria.",
        ),
    ],
)
def test_what_will_not_do_is_said(changes, words):
    assert words in page(STUDY, [], needs(**changes), MACHINE)


def test_an_archive_that_is_not_here_is_said():
    nothing = pd.DataFrame(columns=["part", "condition", "shape", "dtype"])
    assert found_in(STUDY.datasets["planaria"], nothing, []) == [
        "planaria: an archive; its images are checked as it is unpacked"
    ]
