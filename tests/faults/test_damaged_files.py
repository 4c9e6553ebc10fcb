"""Files are damaged between the job that made them and the one that reads them.

Their times stay, as when a disk decays, so that Snakemake takes them for what they were. Flipped
bits in the pixels of uncompressed volumes, and in a digit of a table or of JSON, show only by
`snakemake verify`: docs/limits.md.
"""

import os
import re
import shutil
from dataclasses import replace

import pytest
import yaml
from conftest import HERE, last_words

DAMAGES = {
    "empty": lambda data: b"",
    "truncated": lambda data: data[: len(data) * 2 // 3],
    "flipped": lambda data: data[:3] + bytes([data[3] ^ 4]) + data[4:],
    "flipped in the middle": lambda data: (
        data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 4]) + data[len(data) // 2 + 1 :]
    ),
}
CONFORMAL = "results/calibration/care-ensemble/conformal.json"
TUNED = "results/baselines/gaussian/worms.json"
TRAINED = "results/models/care-seed1/training.json"
RESTORED = "results/runtimes/care-seed1/worms.json"
BY_BASELINE = "results/scores/gaussian/worms.csv"
# Files, and an output of a job that reads each
READ_BY = {
    "results/archives/worms.tar.gz": "results/checks/worms.json",
    "results/volumes/worms/volumes.csv": "results/patches/worms/X.npy",
    "results/volumes/worms/nuclei.csv": "results/nuclei/gaussian/worms.csv",
    "results/volumes/worms/train/1/*.tif": "results/patches/worms/X.npy",
    "results/volumes/worms/test/truth/*.tif": BY_BASELINE,
    "results/patches/worms/X.npy": TUNED,
    "results/patches/worms/Y.npy": CONFORMAL,
    "results/patches/worms/patches.json": TUNED,
    "results/patches/worms/patches.csv": "results/splits/worms/random.csv",
    "results/splits/worms/random.csv": TUNED,
    "results/baselines/gaussian/worms.json": "results/runtimes/gaussian/worms.json",
    "results/models/care-seed1/config.json": CONFORMAL,
    "results/models/care-seed1/weights_best.h5": CONFORMAL,
    "results/models/care-seed2/training.json": CONFORMAL,
    "results/models/care-seed1/history.csv": "results/figures/learning_curves.pdf",
    "results/calibration/care-ensemble/conformal.json": "results/restored/care-ensemble/worms",
    "results/restored/gaussian/worms/1/*.tif": BY_BASELINE,
    "results/scores/input/worms.csv": "results/scores.csv",
    "results/nuclei/input/worms.csv": "results/scores.csv",
    "results/resolution_scores/care-seed1/worms.csv": "results/scores.csv",
    "results/scores.csv": "results/tables/verdicts.csv",
}
# In whose middle there are numbers or pixels alone, which are as likely as any others
UNSEEN = re.compile(r"volumes/.*\.tif|\.csv$|baselines/.*\.json|conformal\.json|training\.json")
CASES = [
    (name, damage)
    for damage in DAMAGES
    for name in READ_BY
    if damage != "flipped in the middle" or not UNSEEN.search(name)
]


FOLDERS = re.compile(r"results/(volumes/[^/]+|restored/[^/]+/[^/]+)")


def made_as(path):
    """The output of a job that a path is, or lies in: what is to be deleted and made again."""
    folder = FOLDERS.match(path)
    return folder.group() if folder else path


def remade(study, undisturbed):
    """All results as they were before the damage, for the next one."""
    for name in ("results", ".snakemake/metadata", ".snakemake/incomplete"):
        shutil.rmtree(study.root / name, ignore_errors=True)
        if (undisturbed.root / name).exists():
            shutil.copytree(undisturbed.root / name, study.root / name, symlinks=True)


@pytest.fixture(scope="module")
def study(undisturbed, tmp_path_factory):
    root = tmp_path_factory.mktemp("damaged") / "study"
    shutil.copytree(undisturbed.root, root, symlinks=True)
    return type(undisturbed)(root, expected=undisturbed.expected)


@pytest.mark.parametrize(("name", "damage"), CASES, ids=lambda value: value.replace("/", "."))
def test_a_damaged_file_is_named_and_so_is_the_remedy(study, undisturbed, name, damage):
    remade(study, undisturbed)
    path = min(study.root.glob(name))
    times = path.stat()
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    done = study.go(READ_BY[name], "--force")
    assert done.returncode, "it was taken for good"
    said = last_words(done)
    made = made_as(str(path.relative_to(study.root)))
    assert re.search(rf"{re.escape(made)}.*: ", said), said
    # By a column whose name has changed, one of the files that the job read
    assert re.search(rf"delete ({re.escape(made)}|it) and run the same command", said), said
    assert "Traceback" not in said
    assert set(study.wrong()) <= {str(path.relative_to(study.root))}


@pytest.mark.parametrize(
    "name", [name for name in READ_BY if not name.endswith(("weights_best.h5", ".tar.gz"))],
    ids=lambda value: value.replace("/", "."),
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_named(study, undisturbed, name):
    """As if another user owned it. Nothing has to be made again."""
    remade(study, undisturbed)
    path = str(min(study.root.glob(name)).relative_to(study.root))
    study.variables = {"FAULT": f"unreadable@{path}"}
    done = study.go(READ_BY[name], "--force")
    study.variables = {}
    assert done.returncode
    assert re.search(rf"Permission denied: '{re.escape(path)}': .*permissions", last_words(done))
    assert "Traceback" not in done.said
    assert study.wrong() == []


@pytest.mark.parametrize(
    ("name", "damage", "reader"),
    [
        ("results/patches/worms/X.npy", "flipped in the middle", TRAINED),
        ("results/patches/worms/patches.json", "truncated", TRAINED),
        ("results/splits/worms/random.csv", "truncated", TRAINED),
        ("results/models/care-seed1/weights_best.h5", "flipped in the middle", RESTORED),
    ],
)  # fmt: skip
def test_damage_is_refused_by_trainings_and_restorations(study, undisturbed, name, damage, reader):
    remade(study, undisturbed)
    for path in (study.root / "results/checkpoints").rglob("finished.json"):
        path.unlink()  # or the model that is there is found to be that of this training
    path = study.root / name
    times = path.stat()
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    done = study.go(reader, "--force")
    assert done.returncode, "it was taken for good"
    assert f"delete {name} and run the same command" in last_words(done)
    assert set(study.wrong()) <= {name}


@pytest.fixture(scope="module")
def zarr_study(study, undisturbed):
    """The study with a restoration in OME-Zarr."""
    remade(study, undisturbed)
    config = yaml.safe_load((HERE / "study.yaml").read_text())
    config["restoration"]["format"] = "ome-zarr"
    changed = replace(study, root=study.root.with_name("zarr"))
    shutil.copytree(study.root, changed.root, symlinks=True)
    changed.config = changed.write_config(config)
    changed.go(BY_BASELINE, check=True)
    changed.scores = (changed.root / BY_BASELINE).read_bytes()
    return changed


@pytest.mark.parametrize("damage", ["missing", *DAMAGES])
@pytest.mark.parametrize("name", ["zarr.json", "0/zarr.json", "0/c/0/0/0"])
def test_a_damaged_ome_zarr_is_named_and_made_again(zarr_study, name, damage):
    """Restorations are compressed, and their chunks have checksums."""
    folder = "results/restored/gaussian/worms"
    (path,) = (zarr_study.root / folder / "1").glob(f"*.ome.zarr/{name}")
    kept = path.read_bytes()
    path.unlink() if damage == "missing" else path.write_bytes(DAMAGES[damage](kept))
    done = zarr_study.go(BY_BASELINE, "--force")
    path.write_bytes(kept)
    if done.returncode == 0:
        assert (zarr_study.root / BY_BASELINE).read_bytes() == zarr_study.scores
        return
    assert f"{folder}/1/" in last_words(done)
    assert f"An earlier job made it: delete {folder} and run the same" in last_words(done)
    assert "Traceback" not in done.said


def test_once_what_is_named_is_deleted_the_next_run_makes_it_again(study, undisturbed):
    remade(study, undisturbed)
    for name in {*READ_BY, *READ_BY.values()}:
        for path in list(study.root.glob(name)):
            made = study.root / made_as(str(path.relative_to(study.root)))
            shutil.rmtree(made) if made.is_dir() else made.unlink(missing_ok=True)
    study.recovers()
