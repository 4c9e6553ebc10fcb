"""The image that goes with an exported network: its brightest part, as acquired and restored."""

import numpy as np
import pytest
from matplotlib.image import imread
from random_networks import image, random_network

from denoising.exports.sample import COVER, Sample, draw_cover, draw_sample, smallest_tile
from denoising.images.volumes import Pair, write_volume
from denoising.restoration.restorer import Restorer


@pytest.fixture(scope="module")
def network():
    return random_network("YX", 1, 3, True)


@pytest.fixture(scope="module")
def restorer(network):
    return Restorer(network, 10**6, percentiles=(3, 99.8))


def pair_of(folder, values, axes, name="a"):
    write_volume(folder / f"{name}.tif", values, axes)
    return Pair(name, "1", axes, folder / f"{name}.tif", folder / f"{name}.tif")


def test_it_is_a_part_around_the_brightest_voxel_in_edges_that_the_network_takes(
    tmp_path, restorer
):
    values = image((300, 250))
    values[200, 40] = 1000
    sample = draw_sample(restorer, pair_of(tmp_path, values, "YX"))
    assert sample.image.shape == (1, 96, 96, 1)
    np.testing.assert_array_equal(sample.image[0, ..., 0], values[152:248, :96])  # at the edge


def test_its_restoration_is_the_networks_with_scales_after_means(tmp_path, restorer, network):
    sample = draw_sample(restorer, pair_of(tmp_path, image((97, 120)), "YX"))
    part = sample.image[0, ..., 0].astype(np.float64)
    low, high = np.percentile(part, (3, 99.8))
    expected = network.predict_probabilistic(
        ((part - low) / (high - low)).astype(np.float32), "YX", normalizer=None
    )
    assert sample.restored.shape == (1, 96, 96, 2)
    assert sample.restored.dtype == np.float32
    for channel, values in enumerate((expected.mean(), expected.scale())):
        np.testing.assert_allclose(sample.restored[0, ..., channel], values, atol=1e-4)


def test_an_image_shorter_than_a_tile_is_reflected_at_its_edges(tmp_path, restorer):
    least = smallest_tile(restorer.config)
    values = image((least - 4, 131))
    sample = draw_sample(restorer, pair_of(tmp_path, values, "YX"))
    padded = np.pad(values, ((0, 4), (0, 1)), mode="reflect")
    assert sample.image.shape == (1, least, 96, 1)
    parts = [padded[:, start : start + 96] for start in range(padded.shape[1] - 95)]
    assert any(np.array_equal(sample.image[0, ..., 0], part) for part in parts)
    assert sample.image.max() == padded.max()


def test_a_network_of_planes_is_shown_on_the_middle_plane_of_a_stack(tmp_path, restorer):
    stack = image((5, 96, 96))
    sample = draw_sample(restorer, pair_of(tmp_path, stack, "ZYX"))
    np.testing.assert_array_equal(sample.image[0, ..., 0], stack[2])


def test_a_part_that_is_constant_is_named(tmp_path, restorer):
    pair = pair_of(tmp_path, np.ones((96, 96), np.float32), "YX")
    with pytest.raises(
        ValueError, match=r"^percentiles 3 and 99.8 of a part of .*a\.tif are both 1"
    ):
        draw_sample(restorer, pair)


@pytest.mark.parametrize("shape", [(1, 32, 32, 1), (1, 5, 32, 32, 2)])
def test_the_cover_shows_the_middle_section_and_its_restoration_side_by_side(tmp_path, shape):
    values = np.zeros(shape, np.float32)
    middle = values[0, 2] if len(shape) == 5 else values[0]
    middle[:, 16:, 0] = 1  # bright on the right
    draw_cover(Sample(values, 1 - values), tmp_path / "cover.png")
    cover = imread(tmp_path / "cover.png")
    assert cover.shape[:2] == (COVER, 2 * COVER)
    halves = cover.reshape(COVER, 4, COVER // 2, -1)[..., 0].mean((0, 2))
    assert [round(float(half)) for half in halves] == [0, 1, 1, 0]
