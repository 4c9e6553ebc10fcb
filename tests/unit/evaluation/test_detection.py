"""Blobs of one size are found where they are, in voxels of any shape."""

import numpy as np
import pytest
from made_up_nuclei import CENTRES, DIAMETER, VOXEL, balls

from denoising.evaluation import detection
from denoising.evaluation.detection import find_blobs


def in_order(centres):
    return centres[np.lexsort(np.asarray(centres).T)]


def test_all_balls_are_found_and_nothing_else():
    blobs = find_blobs(balls(CENTRES), DIAMETER, VOXEL, least=0.1)
    assert len(blobs.centres_um) == len(CENTRES)
    distance = np.linalg.norm(blobs.centres_um[:, None] - CENTRES, axis=2)
    assert sorted(distance.argmin(axis=1)) == list(range(len(CENTRES)))
    offsets = np.abs(blobs.centres_um - CENTRES[distance.argmin(axis=1)])
    inside = offsets[distance.argmin(axis=1) < 5]
    assert (inside <= 0.51 * np.array(VOXEL)).all()
    assert np.linalg.norm(offsets, axis=1).max() < DIAMETER / 2
    assert (np.diff(blobs.contrasts) <= 0).all()


@pytest.mark.parametrize(("axes", "answer"), [(3, 0.925), (2, 0.736)])
@pytest.mark.parametrize("diameter", [12.0, 20.0])
def test_a_ball_answers_with_a_known_share_of_its_contrast(axes, answer, diameter):
    shape, voxel = (40,) * axes, (1.0,) * axes
    image = 3 * balls([(20.0,) * axes], shape, voxel, diameter / 2, parts=3)
    (contrast,) = find_blobs(image, diameter, voxel, least=0.5).contrasts
    assert contrast == pytest.approx(3 * answer, rel=0.02)


def test_a_gain_scales_contrasts_and_a_background_changes_nothing():
    image = balls(CENTRES)
    plain = find_blobs(image, DIAMETER, VOXEL, least=0.1)
    other = find_blobs(7 + image / 4, DIAMETER, VOXEL, gain=8, least=0.2)
    np.testing.assert_array_equal(other.centres_um, plain.centres_um)
    np.testing.assert_allclose(other.contrasts, 2 * plain.contrasts, rtol=1e-3)


def test_axes_are_alike_but_for_their_voxels():
    image = balls(CENTRES) + np.random.default_rng(0).normal(0, 0.05, (12, 40, 60))
    turned = find_blobs(image.transpose(2, 0, 1), DIAMETER, (0.5, 2.0, 0.8), least=0.1)
    blobs = find_blobs(image, DIAMETER, VOXEL, least=0.1)
    np.testing.assert_allclose(
        in_order(turned.centres_um[:, [1, 2, 0]]), in_order(blobs.centres_um)
    )


def test_slabs_find_what_the_whole_image_shows(monkeypatch):
    image = np.random.default_rng(1).normal(size=(40, 30, 30)).astype(np.float32)
    whole = find_blobs(image, DIAMETER, VOXEL)
    assert len(whole.contrasts) > 100
    monkeypatch.setattr(detection, "SLAB_BYTES", 3 * 30 * 30 * 4)
    slabs = find_blobs(image, DIAMETER, VOXEL)
    np.testing.assert_array_equal(slabs.centres_um, whole.centres_um)
    np.testing.assert_array_equal(slabs.contrasts, whole.contrasts)


def test_a_ball_between_voxels_is_one_blob():
    image = np.zeros((8, 9, 9), np.float32)
    image[3:5, 4, 4] = 1
    assert len(find_blobs(image, 3.0, (1.0, 1.0, 1.0), least=0.05).contrasts) == 1


def test_a_flat_image_shows_nothing():
    blobs = find_blobs(np.full((8, 16, 16), 5, np.uint16), 4.0, (1.0, 1.0, 1.0))
    assert blobs.centres_um.shape == (0, 3)
    assert blobs.contrasts.shape == (0,)
