"""Steps take as much memory for a large volume as for a small one: volumes are memory maps, from
files to scores.
"""

import multiprocessing
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest

from denoising.evaluation.protocols import score_pair
from denoising.images.archives import unpack
from denoising.images.files import Storage, write
from denoising.images.pairs import import_pairs
from denoising.images.sources import Selection
from denoising.images.volumes import listing_row, paired, write_listing, write_volume
from denoising.study.names import TRUTH
from denoising.training.patches import Cutting, patches_from_npz, patches_from_volumes

SHAPE = (48, 1024, 1024)  # 100 MB


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Two volumes of 100 MB: a pair to train on and to test, a restoration and a file of others, an
    archive of both, and an npz of twice 105 MB.
    """
    folder, rows = tmp_path_factory.mktemp("large"), []
    planes = np.random.default_rng(0).poisson(20, (4, *SHAPE[1:])).astype(np.uint16)
    planes[:, ::64, ::64] += 3000
    images = {"1": np.resize(planes, SHAPE), TRUTH: np.resize(planes[::-1], SHAPE)}
    for condition, image in images.items():
        for part in ("test", "train"):
            rows.append(listing_row(part, "worm", condition, image, "ZYX"))
        path = folder / f"test/{condition}/worm.tif"
        write_volume(path, image, "ZYX")
        (folder / "train").mkdir(exist_ok=True)
        (folder / "train" / condition).symlink_to(path.parent)
    write_listing(folder, rows)
    for storage in (Storage("tiff", None, True, threads=2), Storage("ome-zarr", None, True)):
        write(folder / "restored/1/worm.tif", images["1"], "ZYX", storage=storage)
    with tarfile.open(folder / "worm.tar", "w") as tar:
        for condition in images:
            tar.add(folder / f"test/{condition}/worm.tif", f"Top/test_data/{condition}/worm.tif")
    patches = np.broadcast_to(np.linspace(0, 1, 64, dtype=np.float32), (400, 1, 16, 64, 64))
    np.savez_compressed(folder / "patches.npz", X=patches, Y=patches)
    return folder


def import_two_pairs(large: Path, output: Path) -> None:
    restored = large / "restored/1"
    pair = (restored / "worm.tif", restored / "worm.ome.zarr")
    import_pairs([("a", *pair), ("b", *pair)], Selection("ZYX"), "low", 0.5, 0, output)


def unpack_archive(large: Path, output: Path) -> None:
    unpack(large / "worm.tar", "folders", TRUTH, {"1": "1"}, output)


def cut(large: Path, output: Path) -> None:
    patches_from_volumes(large, ["1"], Cutting((8, 32, 32), 16), 0, output)


def copy_patches(large: Path, output: Path) -> None:
    patches_from_npz(large / "patches.npz", "SCZYX", (16, 64, 64), output)


def score(large: Path, output: Path) -> None:
    (pair,) = paired(large, "test", ["1"])
    score_pair(pair, large / "restored", ["paper", "study2019"], None, 2, output)


def anonymous_memory() -> float:
    """In MB, of this process, now."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) * 1024 / 1e6


def watched(step, large: Path, output: Path, answer) -> None:
    """Do a step, and send how much more anonymous memory it had than before, at most."""
    before, seen, done = anonymous_memory(), [], threading.Event()

    def watch():
        while not done.wait(0.005):
            seen.append(anonymous_memory())

    watcher = threading.Thread(target=watch, daemon=True)  # a step that fails ends the process
    watcher.start()
    try:
        step(large, output)
    finally:  # or a failed step would leave the process, and the test, waiting
        done.set()
        watcher.join()
    answer.send(max(seen) - before)


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="anonymous memory is told by Linux"
)
@pytest.mark.parametrize(
    # MB; measured 66 (most of it Zarr's), 1, 15, 32 and 63
    ("step", "most"),
    [(import_two_pairs, 90), (unpack_archive, 30), (cut, 60), (copy_patches, 60), (score, 90)],
)
def test_memory_is_less_than_a_volume(step, most, large, tmp_path):
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=watched, args=(step, large, tmp_path, sender))
    process.start()
    sender.close()
    peak = receiver.recv()
    process.join()
    assert peak < most
