"""New images: restored by a study's own network, and by one that was made elsewhere."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from conftest import ROOT, Workflow, copy_workflow

from denoising.images.files import write

DATA = ROOT.parent / "shared" / "data"


def image(seed, shape=(40, 48)):
    return np.random.default_rng(seed).integers(100, 999, shape).astype(np.uint16)


def new_study(root: Path):
    """A copy of the workflow with pairs of planes, a small training, and a folder `new`."""
    flow = copy_workflow(root)
    for seed, name in enumerate(("a_low", "a_high", "b_low", "b_high")):
        write(root / f"raw/{name}.tif", image(seed), "YX", (None, 0.2, 0.2))
    write(root / "new/day1/x.tif", image(9), "YX", (None, 0.2, 0.2))
    pairs = {"low": "raw/*_low.tif", "high": "raw/*_high.tif", "axes": "YX"}
    flow.config = {
        "title": "New images",
        "device": "cpu",
        "datasets": {"mine": {"pairs": pairs, "patches": {"shape": [16, 16]}}},
        "training": {"width": 4, "epochs": 1, "steps_per_epoch": 2, "restarts": 0},
        "studies": {"mine": {"models": {"care": {"trained_on": "mine", "seeds": [1, 2]}}}},
        "restore": {"images": ["new"], "model": "care"},
    }
    return flow


def run(flow, **options):
    flow.write_config(flow.config)
    return flow.run("restored", "--cores", "2", "--configfile", "study.yaml", **options)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Restored from a notebook, whose variables do not reach jobs."""
    flow = new_study(tmp_path_factory.mktemp("new_images"))
    with pytest.MonkeyPatch.context() as notebook:
        notebook.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
        notebook.setenv("TF_USE_LEGACY_KERAS", "1")
        flow.first = run(flow)
    return flow


def test_new_images_are_restored_once_each(study):
    restored = study.root / "restored"
    assert study.first.said.endswith(f"\nLook first at {restored / 'quicklooks'}\n")
    names = {str(path.relative_to(restored)) for path in restored.rglob("*.*")}
    assert names == {
        "new_images.csv", "day1/x.tif", "spread/day1/x.tif", "quicklooks/day1/x.png",
        "quicklooks/day1/x.json", "quicklooks/viewer.html",
    }  # fmt: skip
    with tifffile.TiffFile(restored / "day1/x.tif") as tif:
        assert abs(tif.asarray().mean() - image(9).mean()) < 200  # its own units
        assert tif.imagej_metadata["unit"] == "um"
    first = (restored / "day1/x.tif").stat().st_mtime_ns
    (study.root / "new/day1/x.tif").touch()
    write(study.root / "new/y {1}.tif", image(10), "YX")  # Snakemake's name of a wildcard
    write(study.root / "new/z.tif", image(11), "YX")
    run(study)
    assert (restored / "day1/x.tif").stat().st_mtime_ns == first
    assert len(pd.read_csv(study.root / "results/new_images.csv")) == 3


def test_a_model_that_is_none_is_refused_before_anything_runs(tmp_path):
    flow = new_study(tmp_path)
    flow.config["restore"]["model"] = "kare"
    said = run(flow, check=False).said
    assert "restore.model is kare, expected a csbdeep model folder, or a model of this" in said
    assert "Traceback" not in said
    assert not (flow.root / "results/volumes").exists()


def test_weights_that_the_training_did_not_write_are_refused(study, tmp_path):
    shutil.copytree(study.root, tmp_path, dirs_exist_ok=True)
    first, second = (tmp_path / f"results/models/care-seed{seed}" for seed in (1, 2))
    (first / "weights_best.h5").write_bytes((second / "weights_best.h5").read_bytes())
    flow = Workflow(tmp_path)
    flow.config = study.config
    failed = run(flow, check=False)
    assert failed.returncode
    assert "weights_best.h5: is not the file that the training wrote" in failed.said


@pytest.mark.skipif(not DATA.is_dir(), reason="the real networks are not here")
def test_a_network_made_elsewhere_restores_without_a_study(tmp_path):
    flow = copy_workflow(tmp_path)
    flow.config = {
        "title": "Theirs",
        "device": "cpu",
        "restore": {
            "images": [str(DATA / "pairs2d/fmd_mice_noisy.tif")],
            "model": str(DATA / "models/salome_care2d"),
        },
    }
    run(flow)
    raw = tifffile.imread(DATA / "pairs2d/fmd_mice_noisy.tif").astype(float)
    restored = tifffile.imread(tmp_path / "restored/fmd_mice_noisy.tif")
    assert np.corrcoef(raw.ravel(), restored.ravel())[0, 1] > 0.8
    gain = np.polyfit(raw.ravel(), restored.ravel(), 1)[0]
    assert 0.5 < gain < 1.5  # in the units of the input
