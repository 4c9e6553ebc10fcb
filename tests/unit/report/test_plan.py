"""The page that says what will run."""

import pandas as pd
import pytest
from made_up import study_of

from denoising.report.plan import Hours, Machine, Needs, found_in, page
from denoising.study.names import TRUTH

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


# Images


MINE = {"pairs": {"low": "a/*.tif", "high": "b/*.tif"}, "patches": {"shape": [32, 32]}}
BEADS = {
    "simulate": {"species": "planaria"},
    "conditions": [{"name": "1", "source": "condition_1"}],
    "patches": {"shape": [8, 16, 16]},
}
OWN = study_of(
    {"main": {"models": {"care": {"trained_on": "mine"}}}}, datasets={"mine": MINE, "beads": BEADS}
)


def listing(**parts):
    """Images of a dataset: a ground truth and a low-SNR image by pair, with its part."""
    rows = [
        {"pair": pair, "part": part, "condition": condition}
        for pair, part in parts.items()
        for condition in (TRUTH, "1")
    ]
    return pd.DataFrame(rows)


def test_own_images_are_counted_and_those_that_are_held_out_are_named():
    images = listing(a="train", b="train", c="test")
    counted = "mine: 3 image pairs, all looked at: 2 to train on, 1 to test on (c)"
    assert found_in(OWN.datasets["mine"], images, []) == [f"{counted}; nothing to warn of"]
    assert found_in(OWN.datasets["mine"], images, ["a is dark", "b is dark"]) == [
        f"{counted}; warnings:",
        "  a is dark",
        "  b is dark",
    ]


@pytest.mark.parametrize(
    ("count", "more"), [(10, []), (11, ["  and more, in results/checks/mine.txt"])]
)
def test_of_many_warnings_the_first_ten_are_shown(count, more):
    warnings = [f"warning {number}" for number in range(count)]
    _, *shown = found_in(OWN.datasets["mine"], listing(a="train", b="test"), warnings)
    assert shown == [f"  warning {number}" for number in range(10)] + more


def test_specimens_and_unpacked_archives_are_counted():
    images = listing(a="train", b="train", c="test")
    assert found_in(OWN.datasets["beads"], images, []) == [
        "beads: specimens that are simulated here: 2 to train on, 1 to test on"
    ]
    assert found_in(STUDY.datasets["planaria"], images, []) == [
        "planaria: an archive, unpacked: 2 to train on, 1 to test on"
    ]


# Models and times


def test_a_study_that_trains_nothing_says_so():
    total = len(STUDY.trainings)
    assert f"Models: all {total} trainings are done.\n" in page(STUDY, [], needs(hours={}), MACHINE)
    everything = {run: Hours(1, 2) for run in STUDY.runs}
    said = page(STUDY, [], needs(hours=everything), MACHINE)
    assert f"Models: {total} of {total} trainings to run.\n" in said


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        (Hours(0.001, 0.016), "less than a minute"),
        (Hours(0.05, 0.1), "3 to 6 minutes"),
        (Hours(0.9, 1.2), "0.9 to 1.2 hours"),
    ],
)
def test_times_have_the_unit_that_suits_them(hours, words):
    assert str(hours) == words
