"""Non-local means: a true search along every axis, of strength h in units of the estimated noise."""

import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter
from skimage.restoration import denoise_nl_means

from denoising import baselines
from denoising.baselines import non_local_means, restore_all
from denoising.volumes import listing_row, normalise_input, write_listing, write_volume

SETTINGS = {"strength": 0.8, "patch_size": 5, "patch_distance": 3}
NOISE = 0.1


def blobs(shape, seed=0):
    image = gaussian_filter(np.random.default_rng(seed).random(shape), 3)
    return ((image - image.min()) / (image.max() - image.min())).astype(np.float32)


def with_noise(image, sigma=NOISE):
    return image + np.random.default_rng(1).normal(0, sigma, image.shape).astype(np.float32)


def rmse(a, b):
    return float(np.sqrt(np.mean((a - b) ** 2)))


@pytest.fixture(params=[(14, 20, 26), (40, 46)], ids=["3D", "2D"])
def clean(request):
    return blobs(request.param)


@pytest.fixture
def noisy(clean):
    return with_noise(clean)


@pytest.fixture
def strength_used(monkeypatch):
    """The filter strengths that reach scikit-image."""
    strengths = []

    def spy(image, **settings):
        strengths.append(settings["h"])
        return denoise_nl_means(image, **settings)

    monkeypatch.setattr(baselines, "denoise_nl_means", spy)
    return strengths


def test_noise_is_removed(clean, noisy):
    restored = non_local_means(noisy, **SETTINGS)
    assert (restored.shape, restored.dtype) == (noisy.shape, np.float32)
    assert rmse(restored, clean) < 0.5 * rmse(noisy, clean)
    assert abs(restored.mean() - clean.mean()) < 0.01


@pytest.mark.parametrize("axes", [(2, 1, 0), (1, 0, 2), (0, 2, 1), (1, 2, 0)])
def test_every_axis_is_searched_alike(axes):
    noisy = with_noise(blobs((14, 20, 26)))
    expected = non_local_means(noisy, **SETTINGS).transpose(axes)
    np.testing.assert_allclose(non_local_means(noisy.transpose(axes), **SETTINGS), expected, atol=1e-5)


def test_the_last_axis_is_not_taken_for_colour_channels(strength_used):
    clean = blobs((14, 20, 26))
    noisy = with_noise(clean)
    restored = non_local_means(noisy, **SETTINGS)
    colour = denoise_nl_means(noisy, patch_size=5, patch_distance=3, h=strength_used[0], channel_axis=-1)
    assert np.abs(restored - colour).max() > 0.05
    assert rmse(restored, clean) < 0.9 * rmse(colour, clean)


@pytest.mark.filterwarnings("ignore:image is size 3 on the last axis")
def test_noise_on_three_columns_is_not_taken_for_rgb():
    noisy = with_noise(blobs((14, 20, 26)))[:, :, :3]
    expected = non_local_means(noisy.transpose(2, 0, 1), **SETTINGS).transpose(1, 2, 0)
    np.testing.assert_allclose(non_local_means(noisy, **SETTINGS), expected, atol=1e-5)


def test_similar_structure_is_found_in_other_planes():
    """In a stack of one plane repeated under independent noise, the search along Z averages the planes."""
    plane = blobs((24, 24))
    noisy = with_noise(np.stack([plane] * 9))
    across_planes = non_local_means(noisy, **SETTINGS)[4]
    within_plane = non_local_means(noisy[4], **SETTINGS)
    assert rmse(across_planes, plane) < 0.8 * rmse(within_plane, plane)


@pytest.mark.parametrize("sigma", [0.05, 0.1, 0.2])
def test_strength_is_in_units_of_the_noise(clean, strength_used, sigma):
    non_local_means(with_noise(clean, sigma), **SETTINGS)
    assert strength_used[0] == pytest.approx(0.8 * sigma, rel=0.15)


def test_results_do_not_depend_on_units(noisy):
    """h follows the noise, so gain and offset of the image come out as they went in."""
    expected = 40 * non_local_means(noisy, **SETTINGS) + 7
    np.testing.assert_allclose(non_local_means(40 * noisy + 7, **SETTINGS), expected, rtol=1e-4)


def test_a_larger_strength_smooths_more(noisy):
    spread = [non_local_means(noisy, strength, 5, 3).std() for strength in (0.01, 0.5, 1, 5)]
    assert spread == sorted(spread, reverse=True)
    np.testing.assert_allclose(non_local_means(noisy, 0.01, 5, 3), noisy, atol=1e-3)


@pytest.mark.parametrize("shape", [(4, 20, 24), (2, 20, 24)])
def test_thin_stacks_keep_their_shape(shape):
    assert non_local_means(with_noise(blobs(shape)), **SETTINGS).shape == shape


def test_a_stack_of_one_plane_keeps_its_shape():
    assert non_local_means(with_noise(blobs((1, 20, 24))), **SETTINGS).shape == (1, 20, 24)


def test_every_condition_of_every_test_volume_is_restored(tmp_path):
    conditions, rows, images = ["C1", "C2"], [], {}
    for volume in ("a", "b"):
        for i, condition in enumerate(["truth", *conditions]):
            image = (1000 * with_noise(blobs((8, 16, 16), seed=i), 0.1 * i) + 500).astype(np.uint16)
            images[condition, volume] = image
            write_volume(tmp_path / "in/test" / condition / f"{volume}.tif", image, "ZYX")
            rows.append(listing_row("test", volume, condition, image, "ZYX"))
    write_listing(tmp_path / "in", rows)
    restore_all(tmp_path / "in", conditions, tmp_path / "out", SETTINGS, workers=2)
    written = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*"))
    assert written == ["C1/a.tif", "C1/b.tif", "C2/a.tif", "C2/b.tif"]
    for condition in conditions:
        with tifffile.TiffFile(tmp_path / f"out/{condition}/b.tif") as tif:
            assert (tif.series[0].axes, tif.series[0].dtype) == ("ZYX", np.float32)
            expected = non_local_means(normalise_input(images[condition, "b"]), **SETTINGS)
            np.testing.assert_array_equal(tif.asarray(), expected)
