"""A volume's images are layers of napari, in micrometres; with napari where it is installed."""

import os
import runpy
import subprocess
import sys

import numpy as np
import pytest
from made_up import ROOT

from denoising.images.files import Storage, write

VIEW = runpy.run_path(str(ROOT / "docs/view_in_napari.py"))


@pytest.fixture
def images(tmp_path):
    """Files of a volume that one network and one filter have restored."""
    image = np.random.default_rng(0).gamma(2, 50, (4, 20, 30)).astype(np.float32)
    volumes = tmp_path / "volumes/worms/test"
    restored = tmp_path / "restored/care/worms"
    for path in (volumes / "truth/a.tif", volumes / "1/a.tif", volumes / "2/a.tif"):
        write(path, image, "ZYX", (2.0, 0.5, 0.4))
    for path in (restored / "1/a.tif", restored / "scale/1/a.tif"):
        write(path, image, "ZYX", (2.0, 0.5, 0.4), Storage("ome-zarr"))
    write(tmp_path / "restored/median/worms/1/a.tif", image, "ZYX", (2.0, 0.5, 0.4))
    return VIEW["files"](tmp_path, "worms", "1", "a")


NAMES = ["truth", "input", "care", "scale of care", "median"]


def test_layers_are_memory_maps_in_micrometres(images):
    shown = VIEW["layers"](images)
    assert [how["name"] for _, how in shown] == NAMES
    assert all(isinstance(image, np.memmap) for image, _ in shown)
    assert all(how["scale"] == [2.0, 0.5, 0.4] for _, how in shown)
    assert all(black < white for black, white in (how["contrast_limits"] for _, how in shown))


STAND_IN = """
from types import SimpleNamespace
class Viewer:
    grid, scale_bar = SimpleNamespace(), SimpleNamespace()
    def add_image(self, image, name, **how):
        print(name, image.shape)
def run():
    print("running")
"""


def test_the_command_of_the_docs_opens_a_viewer(images, tmp_path):
    """With a stand-in for napari."""
    (tmp_path / "napari.py").write_text(STAND_IN)

    def run(*arguments):
        script = ROOT / "docs/view_in_napari.py"
        return subprocess.run(
            [sys.executable, script, tmp_path, *arguments],
            env=os.environ | {"PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )

    done = run("worms", "1", "a")
    assert done.stdout.splitlines() == [*(f"{name} (4, 20, 30)" for name in NAMES), "running"]
    assert "volumes/DATASET/volumes.csv lists those there are" in run("worms", "1", "b").stderr
    assert "Usage: python docs/view_in_napari.py" in run("worms").stderr


def test_napari_takes_the_layers(images):
    components = pytest.importorskip("napari.components")
    viewer = components.ViewerModel()  # a viewer without its window, which needs OpenGL
    VIEW["show"](viewer, images)
    assert [layer.name for layer in viewer.layers] == NAMES
    assert viewer.layers.extent.world[1] == pytest.approx([6.0, 9.5, 11.6])
