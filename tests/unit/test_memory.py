"""Rules take as much memory for a large volume as for a small one: volumes are memory maps, from files to scores."""

import io
import multiprocessing
import tarfile
import threading
import time

import numpy as np
import pytest
import tifffile

from denoising.accounting import host_memory
from denoising.archives import unpack
from denoising.formats import Storage, write
from denoising.metrics import score_pair
from denoising.pairs import bring_in
from denoising.patches import patches_from_volumes
from denoising.volumes import TRUTH, listing_row, paired, write_listing, write_volume

SHAPE = (48, 1024, 1024)
MEGABYTES = 100 * 2  # of a pair of 16 bits
BOUND = 100  # MB: less than one volume of the pair


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A folder of volumes with one pair of 200 MB, to train on and to test; and the pair as others might store it."""
    folder, rows = tmp_path_factory.mktemp("large"), []
    planes = np.random.default_rng(0).poisson(100, (4, *SHAPE[1:])).astype(np.uint16)
    planes[:, ::64, ::64] += 3000
    images = {"low": np.resize(planes, SHAPE), TRUTH: np.resize(planes[::-1], SHAPE)}
    for condition, image in images.items():
        write_volume(folder / f"test/{condition}/worm.tif", image, "ZYX")
        (folder / f"train/{condition}").mkdir(parents=True)
        (folder / f"train/{condition}/worm.tif").symlink_to(folder / f"test/{condition}/worm.tif")
        rows += [listing_row(part, "worm", condition, image, "ZYX") for part in ("test", "train")]
    write_listing(folder, rows)
    write(folder / "restored/low/worm.tif", images["low"], "ZYX", storage=Storage("tiff", None, True))
    write(folder / "restored/low/worm.tif", images["low"], "ZYX", storage=Storage("ome-zarr", None, True))
    with tarfile.open(folder / "worm.tar", "w") as tar:
        for place in ("low", TRUTH):
            tar.add(folder / f"test/{place}/worm.tif", f"Top/test_data/{place}/worm.tif")
    return folder
