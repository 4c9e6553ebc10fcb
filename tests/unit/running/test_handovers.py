"""What earlier jobs made is held against what is recorded of it, and damage is said in a line."""

import json

import numpy as np
import pytest

from denoising.running.checksums import sha256_of
from denoising.running.handovers import refuse_damaged


@pytest.fixture
def patches(tmp_path):
    """A folder of patches whose description has the checksums of both arrays."""
    for name in "XY":
        np.save(tmp_path / f"{name}.npy", np.ones((3, 4, 4), np.float32))
    (tmp_path / "patches.csv").write_text('patch,volume\n0,"a, b"\n1,c\n')
    sums = {name: sha256_of(tmp_path / f"{name}.npy") for name in "XY"}
    (tmp_path / "patches.json").write_text(json.dumps({"sha256": sums}))
    return tmp_path


def flip(data, place):
    return data[:place] + bytes([data[place] ^ 16]) + data[place + 1 :]


def test_what_is_whole_passes(patches):
    refuse_damaged(patches.iterdir())
    refuse_damaged([patches, patches / "missing.csv"])


@pytest.mark.parametrize(
    ("name", "damage", "words"),
    [
        ("X.npy", lambda data: b"", r"is empty \(0 bytes\)"),
        ("X.npy", lambda data: data[:-1], "is cut short, with 319 of 320 bytes"),
        ("X.npy", lambda data: flip(data, 0), r"is damaged: it begins with b'\\x83NUM"),
        ("X.npy", lambda data: data[:30], "is damaged: its header is"),
        ("Y.npy", lambda data: flip(data, 200), r"is not the file that .*patches.json describes"),
        ("patches.json", lambda data: data[:-4], "is damaged, no JSON"),
        ("patches.json", lambda data: flip(data, 0)[:1] + b"\xff", "is damaged, no JSON"),
        ("patches.csv", lambda data: data[:-1], "is cut short: its last line '1,c' has no end"),
        ("patches.csv", lambda data: data + b"2\n", "is damaged: line 4 has 1 fields, expected 2"),
        ("patches.csv", lambda data: data + b"\xff,a\n", "is damaged at byte 26, which is no text"),
    ],
)  # fmt: skip
def test_damage_is_said_with_its_file_and_a_remedy(patches, name, damage, words):
    path = patches / name
    path.write_bytes(damage(path.read_bytes()))
    remedy = f"; delete {path} and run the same command, which makes it again.$"
    with pytest.raises(ValueError, match=f"^{path}: {words}.*{remedy}"):
        refuse_damaged([path])


def test_the_folder_of_a_damaged_list_of_volumes_is_to_be_deleted(tmp_path):
    (tmp_path / "volumes.csv").write_text("part,volume\ntest")
    with pytest.raises(ValueError, match=f"^{tmp_path}/volumes.csv: .*; delete {tmp_path} and run"):
        refuse_damaged([tmp_path])


def test_weights_and_archives_are_held_against_their_records(tmp_path):
    for name, record, entry in (
        ("weights_best.h5", "training.json", {"sha256": {"weights_best.h5": "0" * 64}}),
        ("worms.tar.gz", "worms.json", {"sha256": "0" * 64}),
        ("folder.tar.gz", "folder.json", {"sha256": None}),
    ):
        (tmp_path / name).write_bytes(b"bytes")
        (tmp_path / record).write_text(json.dumps(entry))
    refuse_damaged([tmp_path / "folder.tar.gz"])
    for name, record in (("weights_best.h5", "training"), ("worms.tar.gz", "worms")):
        with pytest.raises(ValueError, match=f"{name}: is not the file that .*{record}.json desc"):
            refuse_damaged([tmp_path / name])
