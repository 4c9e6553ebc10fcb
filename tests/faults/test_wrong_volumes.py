"""A user's archive whose volumes are not what they should be, one fault at a time.

Damaged archives and layouts that do not fit are in tests/unit/images/test_archives.py, faults of a
user's own pairs in tests/workflow/test_own_pairs.py and tests/unit/images/test_image_checks.py.
"""

import re
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml
from conftest import HERE, Study, copy_of_workflow, last_words

TRAIN = "train_data/condition_1"
TEST = "test_data/condition_1"
TRUTH = "test_data/GT"
# Before anything trains, and what shows faults of each part of an archive
TARGETS = ["results/splits/worms/random.csv", "results/scores/input/worms.csv"]


def with_value(value, dtype=np.float32):
    def change(volume):
        changed = volume.astype(dtype)
        changed[1, 2, 3] = value
        return changed

    return change


# The part that has the fault, the fault, and what is said
REFUSED = {
    "complex numbers": (TRAIN, lambda v: v.astype(np.complex64), "holds complex64 of shape"),
    "another shape": (TEST, lambda v: v[:, :-2], "files of one volume differ in shape"),
    "one plane": (TRUTH, lambda v: v[0], "axes are YX .*, expected ZYX"),
    "too many axes": (TRAIN, lambda v: np.stack([v, v]), "axes are .*, expected ZYX"),
    "NaN": (TRAIN, with_value(np.nan), "1 values are NaN or infinite, expected none"),
    "Inf": (TEST, with_value(np.inf), "1 values are NaN or infinite, expected none"),
    "a constant image": (TRAIN, lambda v: np.full_like(v, 7), "the image is constant between"),
    "a constant truth": (
        TRUTH, lambda v: np.full_like(v, 7), "constant",
    ),
    "saturated all over": (
        TEST, lambda v: np.full_like(v, 65535), "constant",
    ),
}  # fmt: skip
USED = {
    "saturated spots": (TEST, lambda v: np.where(v > np.median(v), 65535, v).astype(v.dtype)),
    "negative numbers": (TRAIN, lambda v: v.astype(np.int32) - 500),
    "large numbers": (TEST, lambda v: v.astype(np.float64) * 1e6),
}


@pytest.fixture(scope="module")
def study(undisturbed, tmp_path_factory):
    """A study on the archive of the undisturbed one, which is unpacked here as a user's own."""
    root = tmp_path_factory.mktemp("volumes")
    copy_of_workflow(root)
    with tarfile.open(undisturbed.root / "results/archives/worms.tar.gz") as tar:
        tar.extractall(root / "mine", filter="data")
    (top,) = (root / "mine").iterdir()
    config = yaml.safe_load((HERE / "study.yaml").read_text())
    del config["datasets"]["worms"]["simulate"]
    config["datasets"]["worms"]["archive"] = {"path": str(top.relative_to(root))}
    # Nuclei were known where they were simulated
    expected = {
        name: content
        for name, content in undisturbed.expected.items()
        if name.startswith(("results/patches/", "results/splits/", "results/scores/input"))
    }
    study = Study(root, expected=expected)
    study.config = study.write_config(config)
    study.archive = top
    return study


def image_of(study, part):
    return min((study.archive / part).glob("*.tif"))


@pytest.fixture
def faulty(study, request):
    """The archive with a fault in an image of it, until the test ends."""

    def change(part, fault):
        path = image_of(study, part)
        kept = path.read_bytes()
        request.addfinalizer(lambda: path.write_bytes(kept))
        volume = fault(tifffile.imread(path))
        axes = "CZYX"[-volume.ndim :]
        tifffile.imwrite(path, volume, photometric="minisblack", metadata={"axes": axes})
        return path

    return change


@pytest.mark.parametrize("fault", REFUSED)
def test_what_no_step_can_use_is_refused_by_its_name(study, faulty, fault):
    part, change, words = REFUSED[fault]
    path = faulty(part, change)
    for folder in ("patches", "splits", "scores"):
        shutil.rmtree(study.root / "results" / folder, ignore_errors=True)
    done = study.go(*TARGETS)
    said = last_words(done)
    assert done.returncode, "it was taken for good"
    assert study.wrong() == []
    assert path.name in said
    assert re.search(words, said), said
    assert "Traceback" not in said


@pytest.mark.parametrize("fault", USED)
def test_what_can_be_used_is_used(study, faulty, fault):
    part, change = USED[fault]
    faulty(part, change)
    done = study.go(*TARGETS, check=True)
    scores = (study.root / TARGETS[1]).read_text()
    assert "nan" not in scores
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("part", "words"),
    [("test_data/condition_1", "missing from condition_1"), ("test_data", "no test volumes found")],
)
def test_what_is_missing_is_named(study, part, words, tmp_path):
    path = study.archive / part
    shutil.move(path, tmp_path / "aside")
    try:
        done = study.go(*TARGETS)
    finally:
        shutil.move(tmp_path / "aside", path)
    assert done.returncode
    assert words in last_words(done)


def test_once_all_is_put_right_the_results_are_those_of_an_undisturbed_study(study):
    study.go(*TARGETS, check=True)
    for name, content in study.expected.items():
        assert (study.root / name).read_bytes() == content, name
    assert Path(study.root, "results/archives/worms.json").exists()
