"""Layouts of archives: which file holds which volume, and their names in the config's schema."""

from pathlib import Path

import yaml

from denoising.study.config import with_names
from denoising.study.layouts import LAYOUTS, ArchiveImage

ROOT = Path(__file__).parents[3]
FILES = ["test_data/GT/a.tif", "test_data/low/a.TIFF", "test_data/low/._a.tif", "test_data/b.tif"]


def test_the_schema_takes_the_names_of_layouts_from_their_table():
    path = ROOT / "workflow/schemas/config.schema.yaml"
    schema = with_names(yaml.safe_load(path.read_text()))
    layout = schema["$defs"]["dataset"]["properties"]["layout"]
    assert layout["enum"] == list(LAYOUTS) == ["folders", "stacks"]
    assert "`stacks`: A CZYX file per volume, with a channel" in layout["description"]


def test_folders_hold_a_condition_each():
    images = LAYOUTS["folders"].find(FILES, "test", {"truth": "GT", "1": "low"})
    assert list(images) == [
        ArchiveImage("a", "truth", "test_data/GT/a.tif"),
        ArchiveImage("a", "1", "test_data/low/a.TIFF"),
    ]
    assert not list(LAYOUTS["folders"].find(FILES, "train", {"truth": "GT", "1": "low"}))


def test_stacks_hold_a_condition_per_channel():
    images = LAYOUTS["stacks"].find(FILES, "test", {"truth": 1, "1": 0})
    assert list(images) == [
        ArchiveImage("b", "truth", "test_data/b.tif", 1),
        ArchiveImage("b", "1", "test_data/b.tif", 0),
    ]
