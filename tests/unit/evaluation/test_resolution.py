"""Resolution: known answers for images of known spectra, and what must change no curve."""

import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from denoising.evaluation import resolution
from denoising.evaluation.resolution import (
    Curve,
    period_below,
    resolution_curves,
    resolution_of_pair,
    ring_sums,
    rings_of,
)
from denoising.images.volumes import Pair, write_volume

SHAPES = [(24, 64, 64), (15, 40, 57), (96, 96)]
VOXEL = (2.0, 0.5, 0.5)


def noise(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def filtered(image, transfer, voxel=None):
    """A periodic image times a transfer function of |kx, ky| and |kz| in cycles per unit."""
    voxel = voxel or (1.0,) * image.ndim
    axes = [np.fft.fftfreq(n, size) for n, size in zip(image.shape, voxel, strict=True)]
    grid = np.meshgrid(*axes, indexing="ij")
    lateral = np.hypot(*grid[-2:])
    axial = abs(grid[0]) if image.ndim == 3 else 0 * lateral
    return np.fft.ifftn(np.fft.fftn(image) * transfer(lateral, axial)).real


def in_focus(shape, seed=0):
    """A truth whose details fade towards fine ones, as an image's do."""
    image = filtered(noise(shape, seed), lambda k, kz: 1 / (0.02 + k**2 + kz**2))
    return image / image.std()


def assert_same(curves, others, atol=1e-9):
    for curve, other in zip(curves, others, strict=True):
        assert curve.direction == other.direction
        np.testing.assert_allclose(curve.frequency, other.frequency)
        np.testing.assert_allclose(curve.correlation, other.correlation, atol=atol)
        np.testing.assert_allclose(curve.transfer, other.transfer, atol=atol)


# Known answers


@pytest.mark.parametrize("shape", SHAPES)
def test_an_image_resolves_itself_to_the_last_voxel(shape):
    truth = in_focus(shape)
    curves = resolution_curves(truth, truth)
    assert [curve.direction for curve in curves] == ["xy", "z"][: len(shape) - 1]
    for curve in curves:
        np.testing.assert_allclose(curve.correlation, 1)
        np.testing.assert_allclose(curve.transfer, 1)
        assert curve.resolution == curve.detail == 1 / curve.frequency[-1]
        assert curve.resolution == pytest.approx(2, abs=0.15)


@pytest.mark.parametrize("planes", [1, 2, 6])
def test_by_plane_there_is_no_curve_of_z(planes):
    truth = in_focus((planes, 64, 64))
    (found,) = resolution_curves(truth, noise(truth.shape, 1), VOXEL, by_plane=True)
    assert found.direction == "xy"
    for plane in truth[:1]:
        (alone,) = resolution_curves(plane, plane, VOXEL[1:])
        np.testing.assert_allclose(found.frequency, alone.frequency)
        np.testing.assert_array_equal(found.count, planes * alone.count)


@pytest.mark.parametrize(("shape", "spread"), [((32, 128, 128), 1.944**3), ((256, 256), 1.944**2)])
def test_independent_noise_correlates_by_chance_alone(shape, spread):
    """The mean of n independent coefficients has the variance 1 / 2n.

    Half of the coefficients are conjugates of the others. Under a Hann window neighbours in each
    direction correlate by 2/3 and 1/6, which divides n by 1 + 2 (4/9 + 1/36) = 1.944.
    """
    for curve in resolution_curves(noise(shape, 1), noise(shape, 2)):
        chance = np.sqrt(spread / curve.count)
        scores = (curve.correlation / chance)[2:]
        assert abs(scores.mean()) < 0.5
        assert 0.6 < np.sqrt(np.mean(scores**2)) < 1.4


@pytest.mark.parametrize("limit", [0.1, 0.2, 0.35])
def test_the_resolution_is_where_the_truth_ends(limit):
    """Below a lateral frequency the image is the truth, above it there is noise."""
    truth = noise((16, 128, 128), 3)
    image = filtered(truth, lambda k, kz: k < limit) + 0.05 * noise(truth.shape, 4)
    lateral, _ = resolution_curves(truth, image)
    assert 1 / lateral.resolution == pytest.approx(limit, abs=2 / 128)
    assert 1 / lateral.detail == pytest.approx(limit, abs=2 / 128)


def test_z_has_a_resolution_of_its_own_in_micrometres():
    truth = noise((48, 96, 96), 5)
    keeps = {"voxel": VOXEL, "transfer": lambda k, kz: (k < 0.6) & (kz < 0.12)}
    image = filtered(truth, **keeps) + 0.02 * noise(truth.shape, 6)
    lateral, axial = resolution_curves(truth, image, VOXEL)
    assert lateral.frequency[-1] == pytest.approx(1.0)  # Nyquist's, of 0.5 micrometres
    assert axial.frequency[-1] == pytest.approx(0.25)
    assert 1 / axial.resolution == pytest.approx(0.12, abs=2 / 96)
    # Frequencies near the plane kz = 0 hold some above 0.12, too: what is left is true up to 0.6
    assert 1 / lateral.resolution == pytest.approx(0.6, abs=3 / 48)


def test_noise_of_known_strength_gives_the_correlation_that_follows():
    """1 / sqrt(1 + N / S), and a transfer of 1: noise adds nothing of the truth."""
    truth = noise((256, 256), 7)
    (curve,) = resolution_curves(truth, truth + 2 * noise(truth.shape, 8))
    assert curve.correlation[20:].mean() == pytest.approx(1 / np.sqrt(5), abs=0.01)
    assert curve.transfer[20:].mean() == pytest.approx(1, abs=0.03)


# What a blur does


@pytest.mark.parametrize("shape", [(16, 48, 48), (64, 64)])
def test_a_factor_per_frequency_cancels_in_correlation_and_is_the_transfer(shape):
    """Known to the last digits where it is constant over each ring, and nothing leaks."""
    voxel = (1.0,) * (3 - len(shape)) + tuple([1.0] * len(shape))
    stack = (1,) * (3 - len(shape)) + shape
    truth = in_focus(stack)
    noisy = truth + 0.3 * noise(stack, 1)
    rings = rings_of(stack, voxel)
    step = rings.lateral[1]

    def gauss(k, kz):
        k = np.rint(k / step) * step
        return np.exp(-2 * np.pi**2 * (k**2 + 2 * kz**2))

    sums = [ring_sums(truth, each, rings) for each in (noisy, filtered(noisy, gauss))]
    correlations = [cross / np.sqrt(t * r) for cross, t, r in sums]
    np.testing.assert_allclose(*correlations, atol=1e-6)
    factor = gauss(rings.lateral, rings.axial[:, np.newaxis])
    np.testing.assert_allclose(sums[1][0] / sums[0][0], factor, rtol=1e-6)


@pytest.mark.parametrize("sigma", [(1, 1, 1), (1, 1.5, 1.5)])
def test_a_gaussian_filter_has_the_correlation_of_its_input_and_less_transfer(sigma):
    truth = in_focus((32, 128, 128))
    noisy = truth + 0.3 * noise(truth.shape, 1)
    plain = resolution_curves(truth, noisy)
    blurred = resolution_curves(truth, gaussian_filter(noisy, sigma, truncate=6))
    for before, after, width in zip(plain, blurred, (sigma[1], sigma[0]), strict=True):
        n = len(before.frequency)
        middle = slice(n // 8, n // 2)
        np.testing.assert_allclose(before.correlation[middle], after.correlation[middle], atol=0.02)
        k = before.frequency[middle]
        gauss = np.exp(-2 * (np.pi * width * k) ** 2)
        kept = (after.transfer / before.transfer)[middle]
        # The other direction's share of the blur is small near the plane and near the axis
        np.testing.assert_allclose(kept / kept[0], gauss / gauss[0], atol=0.15)
        assert after.detail > before.detail


# What changes nothing


@pytest.mark.parametrize("shape", SHAPES)
def test_gain_and_offset_change_no_curve(shape):
    truth = in_focus(shape)
    image = truth + noise(shape, 1)
    assert_same(
        resolution_curves(truth, image), resolution_curves(300 * truth + 9, 0.01 * image - 5), 1e-7
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_flips_and_a_swap_of_x_and_y_change_no_curve(shape):
    truth = in_focus(shape)
    image = truth + noise(shape, 1)
    curves = resolution_curves(truth, image)
    for axis in range(len(shape)):
        assert_same(curves, resolution_curves(np.flip(truth, axis), np.flip(image, axis)))
    swapped = resolution_curves(truth.swapaxes(-1, -2), image.swapaxes(-1, -2))
    assert_same(curves, swapped)


def test_frequencies_are_in_cycles_per_unit_of_the_voxel_size():
    truth = in_focus((16, 48, 48))
    image = truth + noise(truth.shape, 1)
    in_voxels = resolution_curves(truth, image)
    in_micrometres = resolution_curves(truth, image, (0.3, 0.3, 0.3))
    for voxels, micrometres in zip(in_voxels, in_micrometres, strict=True):
        np.testing.assert_allclose(micrometres.frequency, voxels.frequency / 0.3)
        np.testing.assert_allclose(micrometres.correlation, voxels.correlation)
        assert micrometres.resolution == pytest.approx(0.3 * voxels.resolution)


def test_every_coefficient_below_the_last_ring_is_counted_once():
    rings = rings_of((5, 16, 16), (1, 1, 1))
    sums = ring_sums(np.zeros((5, 16, 16)), np.zeros((5, 16, 16)), rings)
    assert sums.shape == (3, 3, 9)
    delta = np.zeros((5, 16, 16))
    delta[0, 0, 0] = 1
    counted = ring_sums(delta, delta, rings)[0]
    k = np.hypot(*np.meshgrid(np.fft.fftfreq(16, 1 / 16), np.fft.fftfreq(16, 1 / 16)))
    in_plane = [np.count_nonzero(np.rint(k) == ring) for ring in range(9)]
    np.testing.assert_allclose(counted, np.outer([1, 2, 2], in_plane))


# Blocks


def test_blocks_give_the_curve_of_the_whole_image_and_take_less_memory(monkeypatch):
    truth = in_focus((16, 160, 224)).astype(np.float32)
    image = truth + noise(truth.shape, 1).astype(np.float32)

    def peak_and_curve():
        tracemalloc.start()
        lateral, _ = resolution_curves(truth, image)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak, lateral

    whole_peak, whole = peak_and_curve()
    monkeypatch.setattr(resolution, "BLOCK", (128, 64, 64))
    peak, parts = peak_and_curve()
    assert peak < 40 * 16 * 64 * 64 < whole_peak / 5
    assert len(parts.frequency) == 32
    coarse = np.interp(parts.frequency, whole.frequency, whole.correlation)
    np.testing.assert_allclose(parts.correlation[3:], coarse[3:], atol=0.08)


def test_blocks_cover_the_image():
    covered = np.zeros((3, 10, 25), int)
    blocks = list(resolution._blocks(covered.shape, (3, 10, 10)))
    for block in blocks:
        covered[block] += 1
    assert len(blocks) == 3
    assert covered.min() == 1


# Periods


def test_a_period_lies_between_two_frequencies():
    frequency = np.array([0.1, 0.2, 0.3, 0.4])
    assert period_below(frequency, np.array([1, 0.8, 0.2, 0.6]), 0.5) == pytest.approx(1 / 0.25)
    assert period_below(frequency, np.array([1, 0.8, 0.9, 0.6]), 0.5) == 1 / 0.4
    assert period_below(frequency, np.array([0.1, 0.8, 0.9, 0.6]), 0.5) == 1 / 0.1


def test_levels_of_the_two_periods():
    frequency = np.array([0.1, 0.2])
    curve = Curve("xy", frequency, np.array([1, 0]), np.array([1, 0]), np.array([9, 9]))
    assert 1 / curve.resolution == pytest.approx(0.1 + 0.1 * 6 / 7)
    assert 1 / curve.detail == pytest.approx(0.15)


# Refusals and odd images


def test_an_image_without_correlation_shows_nothing_of_the_truth():
    truth = in_focus((64, 64))
    (curve,) = resolution_curves(truth, -truth)
    np.testing.assert_allclose(curve.correlation, -1)
    assert not curve.transfer.any()
    assert curve.detail == 64


def test_images_that_have_no_curve_are_refused_by_file(tmp_path):
    truth = in_focus((8, 16, 16)).astype(np.float32)
    odd = {"flat": 0 * truth + 3, "nan": np.where(truth > 1, np.nan, truth), "small": truth[:, 2:]}
    write_volume(tmp_path / "truth.tif", truth, "ZYX")
    said = {"flat": "the image is constant", "nan": "holds NaN", "small": "expected one shape"}
    for name, image in odd.items():
        write_volume(tmp_path / f"{name}.tif", image, "ZYX")
        pair = Pair("v", "1", "ZYX", tmp_path / f"{name}.tif", tmp_path / "truth.tif")
        with pytest.raises(ValueError, match=f"{name}.tif against .*truth.tif: .*{said[name]}"):
            resolution_of_pair(pair, None, None)


def test_a_restoration_is_found_by_its_name(tmp_path):
    truth = in_focus((8, 16, 16)).astype(np.float32)
    files = SimpleNamespace(truth=tmp_path / "truth.tif", image=tmp_path / "image.tif")
    write_volume(files.truth, truth, "ZYX")
    write_volume(files.image, truth + noise(truth.shape, 1).astype(np.float32), "ZYX")
    write_volume(tmp_path / "restored/1/v.tif", truth, "ZYX")
    pair = Pair("v", "1", "ZYX", files.image, files.truth)
    assert resolution_of_pair(pair, tmp_path / "restored", VOXEL)[0].correlation.min() > 0.999
    assert resolution_of_pair(pair, None, VOXEL)[0].correlation.min() < 0.9
