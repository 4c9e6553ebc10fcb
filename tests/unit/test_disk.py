"""The disk space a study takes is told from its config and from published sizes, and what is unknown is said."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from denoising.disk import disk_use, said
from denoising.formats import Storage, write
from denoising.study import resolve

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "resources/published_volumes.csv"


def study(name="paper", **restoration):
    config = yaml.safe_load((ROOT / f"config/{name}.yaml").read_text())
    config["restoration"] = config.get("restoration", {}) | restoration
    return resolve(config, yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text()))


def test_the_published_study():
    use = disk_use(study(), PUBLISHED)
    assert use["archives"] == {"planaria": None, "tribolium": 4.8128e9}
    patches = 17_005 * 16 * 64 * 64 * 8
    stack = 20 * 95 * 1024 * 1024
    assert use["patches"]["planaria"] == patches
    assert use["volumes"]["planaria"] == patches + 4 * stack * 2
    # A model's means and scales while another's are made, beside non-local means
    assert use["restorations"]["planaria"] >= 5 * 3 * stack * 4
    line = said(use, 61e9)
    assert "unknown: archives of planaria. 61 GB are free here." in line
    assert line.count("\n") == 0


def test_kept_restorations_are_counted_for_every_model():
    small, kept = (disk_use(study(keep=keep), PUBLISHED)["restorations"]["planaria"] for keep in (False, True))
    assert kept > 5 * small / 2
    half = disk_use(study(keep=True, dtype="float16"), PUBLISHED)["restorations"]["planaria"]
    assert half < 0.6 * kept


def test_the_default_study_is_known_in_full():
    use = disk_use(study("config"), PUBLISHED)
    assert all(size for sizes in use.values() for size in sizes.values())
    assert "unknown" not in said(use, 1e9)


@pytest.fixture
def own_pairs(tmp_path, monkeypatch):
    """The disk use of two pairs, the low-SNR images 16 bits, the others 32, as they are stored."""
    monkeypatch.chdir(tmp_path)

    def use(storage, suffix=".tif"):
        for name in ("a", "b"):
            for side, dtype in (("low", np.uint16), ("high", np.float32)):
                write(Path(f"{name}_{side}.tif"), np.ones((8, 10, 20), dtype), "ZYX", storage=storage)
        pairs = {"low": f"*_low{suffix}", "high": f"*_high{suffix}"}
        config = {
            "title": "mine",
            "datasets": {"mine": {"pairs": pairs, "patches": {"shape": [8, 16, 16]}}},
            "studies": {"mine": {"models": {"care": {"trained_on": "mine"}}}},
        }
        schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
        return {part: sizes["mine"] for part, sizes in disk_use(resolve(config, schema), PUBLISHED).items()}

    return use


@pytest.mark.parametrize(
    ("storage", "suffix"),
    [(Storage(), ".tif"), (Storage(compression=True), ".tif"), (Storage("ome-zarr", compression=True), ".ome.zarr")],
)
def test_pairs_are_as_large_as_their_pixels_however_they_are_stored(storage, suffix, own_pairs):
    use, voxels = own_pairs(storage, suffix), 8 * 10 * 20
    assert (use["archives"], use["volumes"]) == (0, 2 * voxels * (2 + 4))
    assert use["patches"] == 2 * 64 * 8 * 16 * 16 * 8
    assert use["restorations"] == voxels * (5 * 4 + 2 * 8)  # of one test volume; five baselines


def test_pairs_that_cannot_be_read_are_unknown(own_pairs):
    own_pairs(Storage())
    Path("c_low.tif").touch()
    assert own_pairs(Storage())["volumes"] is None
    Path("c_high.tif").touch()
    assert own_pairs(Storage())["volumes"] is None


def test_an_archive_of_nobody_knows_what_is_said_to_be_unknown():
    paper = study()
    paper["datasets"]["planaria"]["published"] = None
    use = disk_use(paper, PUBLISHED)
    assert [use[part]["planaria"] for part in use] == [None] * 4
    assert "restorations of planaria" in said(use, 1e9)
