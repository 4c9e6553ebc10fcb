"""SSIM from local moments: against windows written out voxel by voxel, and scikit-image."""

import numpy as np
import pytest
from formulas import n, specimen, windowed_ssim
from skimage.metrics import structural_similarity

from denoising.evaluation import ssim as ssim_module
from denoising.evaluation.ssim import SsimInputs, check_shapes, mean_ssims, ssim_map, window_of


def ssim(target, image, data_range, by_plane=False):
    """SSIM of two images as they are."""
    means = (target.mean(), image.mean())
    inputs = [SsimInputs((1.0, 1.0), means, data_range)]
    return mean_ssims(target, image, means, inputs, by_plane=by_plane)[0]


def scikit_ssim(target, image, data_range):
    return structural_similarity(target, image, win_size=7, data_range=data_range)


@pytest.mark.parametrize("shape", [(8, 8, 8), (7, 7, 7), (7, 9, 8), (9, 10)], ids=str)
def test_data_range_2_raises_ssim(shape):
    truth, noisy = specimen(shape)
    y, x = n(truth, 0.1, 99.9), n(noisy, 3, 99.8)
    assert ssim(y, x, data_range=1) == pytest.approx(windowed_ssim(y, x, 1), rel=1e-6)
    assert ssim(y, x, data_range=2) == pytest.approx(windowed_ssim(y, x, 2), rel=1e-6)
    assert ssim(y, x, data_range=2) > ssim(y, x, data_range=1)


@pytest.mark.parametrize("planes", [7, 22, 23, 39])
def test_ssim_of_thick_volumes_is_scikit_images(planes):
    a, b = np.random.default_rng(0).random((2, planes, 8, 9))
    assert ssim(a, b, data_range=1) == pytest.approx(scikit_ssim(a, b, 1), rel=1e-12)


@pytest.mark.parametrize("planes", [1, 2, 3, 5, 6, 18])
def test_ssim_by_plane_is_the_mean_of_scikit_images_over_planes(planes):
    a, b = np.random.default_rng(0).random((2, planes, 30, 9))
    pairs = list(zip(a, b, strict=True))
    found = ssim(a, b, 1, by_plane=True)
    for one, rel in ((scikit_ssim, 1e-12), (windowed_ssim, 1e-9)):
        assert found == pytest.approx(np.mean([one(*pair, 1) for pair in pairs]), rel=rel)
    assert ssim(a[::-1], b[::-1], 1, by_plane=True) == pytest.approx(found, rel=1e-12)
    assert ssim(a + 5, b + 5, 1, by_plane=True) != pytest.approx(found, rel=1e-3)
    assert ssim(a, a, 1, by_plane=True) == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("shape", [(19, 47, 20), (47, 20)], ids=str)
def test_ssim_does_not_depend_on_slabs_and_strips(monkeypatch, shape):
    truth, image = specimen(shape)
    expected = ssim(truth, image, data_range=2000)
    for slab, strip in ((1, 1), (3, 500), (1000, 2**30)):
        monkeypatch.setattr(ssim_module, "SLAB", slab)
        monkeypatch.setattr(ssim_module, "STRIP", strip)
        assert ssim(truth, image, data_range=2000) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("by_plane", [True, False])
def test_the_map_of_ssim_has_the_scores_mean_and_scikit_images_values(by_plane):
    a, b = np.random.default_rng(0).random((2, 9, 12, 15))
    means = (a.mean(), b.mean())
    found = ssim_map(a, b, means, SsimInputs((1.0, 1.0), means, 1), by_plane)
    assert found.mean() == pytest.approx(ssim(a, b, 1, by_plane), rel=1e-12)
    if by_plane:
        _, theirs = structural_similarity(a[2], b[2], win_size=7, data_range=1, full=True)
        assert found[2] == pytest.approx(theirs[3:-3, 3:-3], rel=1e-9)
    else:
        _, theirs = structural_similarity(a, b, win_size=7, data_range=1, full=True)
        assert found == pytest.approx(theirs[3:-3, 3:-3, 3:-3], rel=1e-9)


@pytest.mark.parametrize(
    ("shape", "by_plane"),
    [((1, 20, 20), False), ((6, 20, 20), False), ((3, 9), False), ((9, 9, 6), True)],
    ids=str,
)
def test_images_thinner_than_the_window_are_refused(shape, by_plane):
    with pytest.raises(ValueError, match=r"but SSIM's window is \(7, "):
        check_shapes(np.zeros(shape), np.zeros(shape), by_plane)


@pytest.mark.parametrize("gains", [(2.0, 0.5), (0.25, 4.0), (3.0, 1.0)])
@pytest.mark.parametrize("by_plane", [True, False])
def test_gains_and_means_of_a_scaling_are_those_of_scaled_images(gains, by_plane):
    """One pass over images as acquired scores them in any units."""
    a, b = np.random.default_rng(0).random((2, 9, 12, 15))
    y, q = gains[0] * a + 3, gains[1] * b - 1
    scaling = SsimInputs(gains, (y.mean(), q.mean()), 1.5)
    plain = SsimInputs((1.0, 1.0), (y.mean(), q.mean()), 1.5)
    centre = (a.mean(), b.mean())
    scaled = mean_ssims(a, b, centre, [scaling], by_plane=by_plane)
    expected = mean_ssims(y, q, plain.mean, [plain], by_plane=by_plane)
    assert scaled == pytest.approx(expected, rel=1e-9)
    np.testing.assert_allclose(
        ssim_map(a, b, centre, scaling, by_plane), ssim_map(y, q, plain.mean, plain, by_plane),
        rtol=1e-9,
    )  # fmt: skip


def test_several_scalings_are_scored_in_their_order():
    a, b = np.random.default_rng(0).random((2, 8, 9, 10))
    means = (a.mean(), b.mean())
    inputs = [SsimInputs((1.0, 1.0), means, data_range) for data_range in (2, 1)]
    expected = [scikit_ssim(a, b, 2), scikit_ssim(a, b, 1)]
    assert mean_ssims(a, b, means, inputs) == pytest.approx(expected, rel=1e-12)


def test_windows_of_a_stack_reach_through_planes_unless_asked_otherwise():
    a, b = np.random.default_rng(0).random((2, 8, 9, 10))
    means = (a.mean(), b.mean())
    scaling = SsimInputs((1.0, 1.0), means, 1)
    assert mean_ssims(a, b, means, [scaling]) == pytest.approx([scikit_ssim(a, b, 1)], rel=1e-12)
    assert ssim_map(a, b, means, scaling).shape == (2, 3, 4)
    assert ssim_map(a, b, means, scaling, by_plane=True).shape == (8, 3, 4)
    assert (window_of(3, False), window_of(2, False), window_of(3, True)) == (
        (7,) * 3,
        (7,) * 2,
        (7,) * 2,
    )


@pytest.mark.parametrize("shape", [(7, 7, 7), (7, 7)], ids=str)
def test_an_image_of_one_window_has_an_ssim(shape):
    a, b = np.random.default_rng(0).random((2, *shape))
    check_shapes(a, b)
    assert ssim(a, b, 1) == pytest.approx(windowed_ssim(a, b, 1), rel=1e-9)


def test_a_stack_of_few_planes_is_long_enough_by_plane_alone():
    images = np.zeros((3, 9, 9)), np.zeros((3, 9, 9))
    check_shapes(*images, by_plane=True)
    with pytest.raises(ValueError) as error:
        check_shapes(*images)
    assert str(error.value) == (
        "the image is (3, 9, 9), but SSIM's window is (7, 7, 7); leave the volume out."
    )


def test_images_of_two_shapes_are_refused_in_a_sentence():
    with pytest.raises(ValueError) as error:
        check_shapes(np.zeros((9, 9)), np.zeros((9, 8)))
    assert str(error.value) == (
        "ground truth is (9, 9) and the image (9, 8), expected one shape; make the image again."
    )
