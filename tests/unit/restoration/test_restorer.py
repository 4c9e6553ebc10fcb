"""Restoration tile by tile: the same as csbdeep's prediction in one piece, at the least
recomputation that fits.
"""

import itertools
import math
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tifffile
from csbdeep.utils import normalize
from random_networks import assert_equal, image, random_network, restored

from denoising.images.slabs import scratch_array
from denoising.images.volumes import open_volume, write_volume
from denoising.restoration.restorer import Restorer
from denoising.restoration.tiling import plan_tiles, slab
from denoising.specimens.acquisition import acquire
from denoising.specimens.nuclei import simulate_specimen
from denoising.specimens.species import SPECIES
from denoising.training.network import halo, load_model

DATA = Path(__file__).parents[3] / "../shared/data"


# Equal to csbdeep's prediction in one piece


def assert_restored_as_by_csbdeep(model, noisy, axes, max_tile_voxels):
    mean, scale = restored(Restorer(model, max_tile_voxels), noisy, axes)
    expected = model.predict(noisy, axes, normalizer=None, n_tiles=None)
    assert np.abs(expected - noisy).max() > 0.1 * np.ptp(noisy)  # the network does something
    assert_equal(mean, expected)
    if model.config.probabilistic:
        assert_equal(scale, model.predict_probabilistic(noisy, axes, normalizer=None).scale())


CASES = {
    # axes, depth, kernel, probabilistic, shape, core of the largest tile that fits (None: the whole
    # axis)
    "2D": ("YX", 2, 3, False, (101, 203), (24, 24)),
    "2D-shallow": ("YX", 1, 3, True, (45, 38), (8, 6)),
    "2D-wide-kernel": ("YX", 1, 5, True, (60, 77), (12, 12)),
    "2D-deep": ("YX", 3, 3, False, (150, 139), (16, 16)),
    "3D": ("ZYX", 1, 3, True, (45, 46, 45), (8, 8, 8)),
    "4-planes": ("ZYX", 2, 3, False, (4, 61, 75), (None, 8, 8)),
    "tiles-in-X": ("ZYX", 2, 3, True, (5, 13, 130), (None, None, 16)),
    "tiles-in-Z": ("ZYX", 2, 3, True, (70, 9, 6), (16, None, None)),
    "smaller-than-the-grid": ("ZYX", 2, 3, True, (1, 2, 3), (None, None, None)),
}


@pytest.mark.parametrize(
    ("axes", "depth", "kernel", "probabilistic", "shape", "core"), CASES.values(), ids=CASES
)
def test_tiles_join_to_the_prediction_in_one_piece(axes, depth, kernel, probabilistic, shape, core):
    model = random_network(axes, depth, kernel, probabilistic)
    padded = tuple(size + -size % 2**depth for size in shape)
    margin = halo(depth, kernel)
    fits = math.prod(s if c is None else c + 2 * margin for s, c in zip(padded, core, strict=True))
    plan = plan_tiles(padded, margin, 2**depth, fits)
    assert all(c is None or mine < s for s, mine, c in zip(padded, plan.core, core, strict=True))
    assert_restored_as_by_csbdeep(model, image(shape), axes, fits)


def test_one_tile_where_the_whole_image_fits():
    model = random_network("YX", 2, 3, True)
    assert_restored_as_by_csbdeep(model, image((21, 34)), "YX", 24 * 36)


def test_the_scale_differs_from_the_mean_and_over_the_image():
    """Else the tests above would prove nothing about it."""
    mean, scale = restored(
        Restorer(random_network("YX", 1, 3, True), 10_000), image((16, 16)), "YX"
    )
    assert np.abs(mean - scale).max() > 0.1
    assert np.ptp(scale) > 0.01


def test_a_network_without_scale_is_asked_for_none():
    mean = np.empty((16, 16), np.float32)
    with pytest.raises(ValueError, match="not probabilistic"):
        Restorer(random_network("YX", 1, 3, False), 10_000).restore(
            image((16, 16)), "YX", mean, mean
        )


@pytest.mark.parametrize("at_once", [1, 3])
def test_channels_of_a_network_of_one_channel_are_images_on_their_own(at_once):
    model, noisy = random_network("ZYX", 1, 3, True), image((5, 2, 19, 26))
    mean, scale = restored(Restorer(model, 30_000, at_once), noisy, "ZCYX")
    for channel in range(2):
        expected = model.predict_probabilistic(noisy[:, channel], "ZYX", normalizer=None)
        assert_equal(mean[:, channel], expected.mean())
        assert_equal(scale[:, channel], expected.scale())


def test_channels_of_a_network_of_several_are_restored_together():
    model = random_network("ZYX", 1, 3, True, channels=2)
    assert_restored_as_by_csbdeep(model, image((6, 2, 19, 60)), "ZCYX", 6 * 20 * 28)


@pytest.mark.parametrize("at_once", [1, 2, 8])
def test_images_of_a_batch_are_restored_each_on_its_own(at_once):
    model, noisy = random_network("YX", 1, 3, False), image((5, 3, 23, 30))
    mean, _ = restored(Restorer(model, 24 * 30 * 8, at_once), noisy, "STYX")
    for index in np.ndindex(5, 3):
        assert_equal(mean[index], model.predict(noisy[index], "YX", normalizer=None))


def test_axes_may_be_in_any_order():
    model, noisy = random_network("ZYX", 1, 3, False), image((6, 7, 8))
    mean, _ = restored(Restorer(model, 10_000), noisy.transpose(2, 0, 1), "XZY")
    assert_equal(mean.transpose(1, 2, 0), model.predict(noisy, "ZYX", normalizer=None))


@pytest.mark.parametrize(
    ("axes", "shape", "said"),
    [
        ("YX", (9, 9), r"\(9, 9\) has axes YX, expected ZYX"),
        ("QZYX", (2, 9, 9, 9), "at most S, T, C"),
        ("ZYX", (2, 9, 9, 9), "expected ZYX"),
    ],
)
def test_axes_that_do_not_fit_the_network_are_refused(axes, shape, said):
    with pytest.raises(ValueError, match=said):
        restored(Restorer(random_network("ZYX", 1, 3, False), 10_000), image(shape), axes)


def test_integer_images_are_normalised_tile_by_tile_and_left_as_they_are():
    model = random_network("YX", 1, 3, False)
    noisy = np.random.default_rng(0).integers(0, 900, (45, 47)).astype(np.uint16)
    before = noisy.copy()
    mean, _ = restored(Restorer(model, 40 * 40), noisy, "YX", bounds=(100.0, 700.0))
    assert_equal(mean, model.predict((noisy.astype(np.float32) - 100) / 600, "YX", normalizer=None))
    np.testing.assert_array_equal(noisy, before)


@pytest.mark.skipif(not DATA.is_dir(), reason="real images and networks are not here")
@pytest.mark.parametrize("name", ["BPAE_B", "mice", "fish"])
def test_a_real_network_restores_real_images_as_csbdeep_does(name):
    model = load_model(DATA / "models/salome_care2d")
    noisy = normalize(tifffile.imread(DATA / f"pairs2d/fmd_{name}_noisy.tif")[100:355, :333])
    assert_restored_as_by_csbdeep(model, noisy, "YX", 144 * 144)


@pytest.mark.skipif(not DATA.is_dir(), reason="real images and networks are not here")
@pytest.mark.parametrize(
    ("name", "axes"),
    [
        ("neubias_chromosomes_ZYX", "ZYX"),
        ("neubias_dna_confocal+widefield_ZCYX", "ZCYX"),
        ("cellfinder_crop_ZYX", "ZYX"),
    ],
)
def test_a_real_network_restores_the_planes_of_real_stacks_as_csbdeep_does(name, axes):
    """The network is of YX, so planes stand for a batch."""
    model = load_model(DATA / "models/salome_care2d")
    noisy = normalize(tifffile.imread(DATA / f"data3d/{name}.tif")[:3])
    mean, _ = restored(Restorer(model, 120 * 128), noisy, axes.replace("Z", "S"))
    for index in np.ndindex(noisy.shape[:-2]):
        assert_equal(mean[index], model.predict(noisy[index], "YX", normalizer=None))


@pytest.mark.skipif(not DATA.is_dir(), reason="real images and networks are not here")
@pytest.mark.parametrize(
    ("name", "axes"),
    [("neubias_chromosomes_ZYX", "ZYX"), ("neubias_dna_confocal+widefield_ZCYX", "ZCYX")],
)
def test_real_stacks_are_restored_in_3d_as_csbdeep_does(name, axes):
    channels = 2 if "C" in axes else 1
    noisy = normalize(tifffile.imread(DATA / f"data3d/{name}.tif"))
    model = random_network("ZYX", 2, 3, True, channels)
    assert_restored_as_by_csbdeep(model, noisy, axes, 48 * 100 * 100)


def test_a_simulated_volume_is_restored_as_csbdeep_does():
    species = SPECIES["planaria"]
    rng = np.random.default_rng(3)
    photons = simulate_specimen(species, (16, 90, 70), rng, species.preparations[0]).photons
    noisy = normalize(acquire(photons, species, (species.exposures[0],), rng)[0])
    assert_restored_as_by_csbdeep(random_network("ZYX", 2, 3, True), noisy, "ZYX", 16 * 72 * 72)


# Slabs: what one of several jobs restores


def in_slabs(restorer, noisy, axes, parts):
    """What so many jobs restore of an image, joined: the mean, and the scale or None."""
    whole = [np.full(noisy.shape, np.nan, np.float32) for _ in range(1 + restorer.probabilistic)]
    for part in range(1, parts + 1):
        if region := slab(noisy.shape, (part, parts), restorer.multiple):
            restorer.restore(noisy, axes, *(array[region] for array in whole), region=region)
    return whole if restorer.probabilistic else [*whole, None]


SHARED = {
    # axes, depth, kernel, probabilistic, shape, jobs, most voxels of a tile (None: a slab and its
    # halo is one tile)
    "YX": ("YX", 2, 3, False, (101, 203), 3, None),
    "YX-tiles": ("YX", 2, 3, True, (101, 203), 3, 80 * 80),
    "YX-wide-kernel": ("YX", 1, 5, True, (60, 77), 5, 40 * 60),
    "ZYX": ("ZYX", 2, 3, True, (5, 113, 9), 3, None),
    "ZYX-tiles": ("ZYX", 1, 3, True, (45, 46, 45), 3, 30 * 30 * 30),
    "ZYX-in-Z": ("ZYX", 2, 3, False, (70, 9, 6), 4, None),
    "thinner-than-the-halo": ("YX", 2, 3, False, (90, 21), 16, None),
    "too-short-for-all": ("ZYX", 2, 3, True, (3, 10, 5), 7, None),
}


@pytest.mark.parametrize(
    ("axes", "depth", "kernel", "probabilistic", "shape", "jobs", "voxels"),
    SHARED.values(),
    ids=SHARED,
)
def test_slabs_join_to_what_one_job_restores(
    axes, depth, kernel, probabilistic, shape, jobs, voxels
):
    model, noisy = random_network(axes, depth, kernel, probabilistic), image(shape)
    alone = restored(Restorer(model, 10**6), noisy, axes)
    shared = in_slabs(Restorer(model, voxels or 10**6), noisy, axes, jobs)
    for found, expected in zip(shared, alone, strict=True):
        if probabilistic or expected is not None:
            assert np.abs(found - expected).max() < 1e-5 * np.ptp(expected)


def test_slabs_of_the_same_tiles_are_the_same_to_the_bit():
    """An inner slab of one core, where that core is a tile of the volume too."""
    model, noisy = random_network("YX", 2, 3, True), image((240, 21))
    restorer = Restorer(model, (48 + 2 * 24) * 24)
    alone, region = restored(restorer, noisy, "YX"), slab((240, 21), (3, 5), 4)
    assert region == (slice(96, 144), slice(0, 21))
    mean, scale = (np.empty((48, 21), np.float32) for _ in range(2))
    restorer.restore(noisy, "YX", mean, scale, region=region)
    np.testing.assert_array_equal(mean, alone[0][region])
    np.testing.assert_array_equal(scale, alone[1][region])


def test_of_the_rest_of_the_volume_no_more_is_read_than_the_halo():
    """NaN beyond it, which would spread over a tile."""
    model, noisy = random_network("YX", 2, 3, False), image((203, 41))
    region = slab(noisy.shape, (2, 4), 4)
    assert region == (slice(52, 104), slice(0, 41))
    expected = np.empty((52, 41), np.float32)
    Restorer(model, 10**6).restore(noisy, "YX", expected, region=region)
    hidden = np.full_like(noisy, np.nan)
    hidden[52 - 24 : 104 + 24] = noisy[52 - 24 : 104 + 24]
    found = np.empty((52, 41), np.float32)
    Restorer(model, 10**6).restore(hidden, "YX", found, region=region)
    np.testing.assert_array_equal(found, expected)


def test_a_region_may_begin_and_end_anywhere():
    model, noisy = random_network("YX", 2, 3, True), image((61, 90))
    alone = restored(Restorer(model, 10**6), noisy, "YX")
    for region in (
        (slice(7, 22), slice(41, 42)),
        (slice(0, 61), slice(1, 89)),
        (slice(60, 61), slice(0, 3)),
    ):
        found = [np.full_like(array[region], np.nan) for array in alone]
        Restorer(model, 70 * 70).restore(noisy, "YX", *found, region=region)
        for mine, expected in zip(found, alone, strict=True):
            assert np.abs(mine - expected[region]).max() < 1e-5 * np.ptp(expected)


# Memory


class OutOfMemory:
    """A restorer's forward pass on a device that holds no more than so many voxels, and says so by
    an error.
    """

    def __init__(
        self,
        restorer,
        voxels,
        error=tf.errors.ResourceExhaustedError,
        said="OOM when allocating tensor",
    ):
        self.tiles, forward = [], restorer._forward

        def limited(tile, core):
            self.tiles.append(tile)
            if math.prod(tile) > voxels:
                raise error(None, None, said)
            return forward(tile, core)

        restorer._forward = limited


def test_out_of_memory_on_the_device_takes_smaller_tiles_and_says_so(caplog):
    model, noisy = random_network("YX", 1, 3, False), image((64, 80))
    restorer = Restorer(model, 10_000)
    device = OutOfMemory(restorer, 1300)
    mean, _ = restored(restorer, noisy, "YX")
    assert_equal(mean, model.predict(noisy, "YX", normalizer=None))
    voxels = [math.prod(tile) for tile in device.tiles]
    assert len(voxels) == 3 and all(
        after <= before / 2 for before, after in itertools.pairwise(voxels)
    )
    assert "out of memory with tiles of (64, 80): at most 2560 voxels now" in caplog.text
    again = len(device.tiles)
    restored(restorer, noisy, "YX")  # the next image starts from what was learnt
    assert len(device.tiles) == again + 1


def test_a_device_without_memory_for_the_smallest_tile_ends_with_one_message():
    restorer = Restorer(random_network("YX", 1, 3, False), 12_000, tiles_per_batch=8)
    device = OutOfMemory(restorer, 0)
    said = (
        "the smallest tile of a volume of .* more memory.* The device said: ResourceExhaustedError:"
        " OOM when alloc"
    )
    with pytest.raises(ValueError, match=said):
        restored(restorer, image((64, 80)), "YX")
    # in batches and then alone, and then smaller each time
    assert device.tiles[0] == device.tiles[1]
    assert all(math.prod(b) <= math.prod(a) / 2 for a, b in itertools.pairwise(device.tiles[1:]))


@pytest.fixture
def on_gpu(monkeypatch):
    """As if TensorFlow saw a GPU."""
    monkeypatch.setattr(
        tf.config, "get_visible_devices", lambda kind: [f"/physical_device:{kind}:0"]
    )


DISGUISED = [
    (
        tf.errors.NotFoundError,
        "No algorithm worked!  Error messages:\n  Profiling failure on CUDNN engine eng0{}",
    ),
    (
        tf.errors.InternalError,
        "CUDNN failed to allocate the scratch space for the runner or to find a working one.",
    ),
    (
        tf.errors.UnknownError,
        "CUDNN_STATUS_ALLOC_FAILED\nin external/local_xla/xla/stream_executor/cuda/cuda_dnn.cc",
    ),
    (tf.errors.InternalError, "Blas GEMM launch failed: CUBLAS_STATUS_ALLOC_FAILED"),
    (
        tf.errors.InternalError,
        "Failed to allocate 1073741824 bytes: CUDA_ERROR_OUT_OF_MEMORY: out of memory",
    ),
    (
        tf.errors.InternalError,
        "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 17104896 bytes.",
    ),
    (
        tf.errors.UnknownError,
        "Failed to determine best cudnn convolution algorithm for:\n%cudnn-conv = (f32[1,64]",
    ),
    (tf.errors.InternalError, "Failed to find best cuDNN algorithm"),
    (tf.errors.InternalError, "Autotuning candidate failed with out of memory error."),
    (
        tf.errors.InternalError,
        "Failed copying input tensor from /job:localhost/replica:0/task:0/device:CPU:0 to"
        " /job:localhost/replica:0/task:0/device:GPU:0 in order to run AddV2:"
        " Dst tensor is not initialized.",
    ),
    (tf.errors.InternalError, "Dst tensor is not initialized."),
]


@pytest.mark.parametrize(
    ("error", "said"), DISGUISED, ids=[said.split()[0] + said[-9:] for _, said in DISGUISED]
)
def test_out_of_memory_is_known_on_a_gpu_whatever_it_is_called(on_gpu, error, said, caplog):
    model, noisy = random_network("YX", 1, 3, False), image((64, 80))
    restorer = Restorer(model, 10_000)
    device = OutOfMemory(restorer, 1300, error, said)
    mean, _ = restored(restorer, noisy, "YX")
    assert_equal(mean, model.predict(noisy, "YX", normalizer=None))
    assert len(device.tiles) == 3
    assert said in caplog.text


def test_what_only_looks_like_it_is_tried_a_few_times_and_reported(on_gpu):
    restorer = Restorer(random_network("YX", 1, 3, False), 10_000)
    device = OutOfMemory(restorer, 0, tf.errors.NotFoundError, "No algorithm worked!")
    with pytest.raises(ValueError, match="The device said: NotFoundError: No algorithm worked!"):
        restored(restorer, image((64, 80)), "YX")
    assert len(device.tiles) <= math.log2(64 * 80)


OTHERS = [
    (tf.errors.InternalError, "Autotuner could not find any supported configs for HLO"),
    (tf.errors.UnknownError, "CUDNN_STATUS_EXECUTION_FAILED"),
    (
        tf.errors.InternalError,
        "CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered",
    ),
    (tf.errors.NotFoundError, "libcudnn.so.9: cannot open shared object file"),
    (tf.errors.InvalidArgumentError, "out of memory"),
]


@pytest.mark.parametrize(("error", "said"), OTHERS)
def test_other_failures_of_a_gpu_are_left_alone(on_gpu, error, said):
    restorer = Restorer(random_network("YX", 1, 3, False), 10_000, tiles_per_batch=8)
    device = OutOfMemory(restorer, 0, error, said)
    with pytest.raises(error, match=said.split(":")[0]):
        restored(restorer, image((64, 80)), "YX")
    assert len(device.tiles) == 1


@pytest.mark.parametrize(("error", "said"), DISGUISED[:2])
def test_on_a_cpu_such_errors_are_failures(error, said):
    restorer = Restorer(random_network("YX", 1, 3, False), 10_000)
    device = OutOfMemory(restorer, 0, error, said)
    with pytest.raises(error):
        restored(restorer, image((64, 80)), "YX")
    assert len(device.tiles) == 1


def test_memory_does_not_grow_with_the_volume(tmp_path):
    """Of an image of 16 MB and its restoration, a tile at a time."""
    path = tmp_path / "large.tif"
    write_volume(path, image((2048, 2048)), "YX")
    restorer = Restorer(random_network("YX", 1, 3, False, width=1), 300 * 300)
    restorer._forward = lambda tile, core: lambda tiles, begin: np.zeros(
        (len(tiles), *core, 1), np.float32
    )
    tracemalloc.start()
    try:
        restorer.restore(open_volume(path), "YX", scratch_array(tmp_path, (2048, 2048), np.float32))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * 4 * 300 * 300
