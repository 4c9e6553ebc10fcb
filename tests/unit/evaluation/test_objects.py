"""Found nuclei are matched one to one with the true ones, and measured where these are."""

import numpy as np
import pandas as pd
import pytest
from made_up_nuclei import CENTRES, DIAMETER, VOXEL, balls

from denoising.evaluation.detection import Blobs
from denoising.evaluation.object_scores import object_scores
from denoising.evaluation.objects import OUTSIDE, RIGHT, WRONG, Detector, Nuclei, examine, match
from denoising.images.volumes import Pair, write_volume

RADII = np.full(len(CENTRES), DIAMETER / 2)
TRUE = Nuclei(CENTRES, RADII)
ALL_INSIDE = np.ones(len(CENTRES), bool)


def labels_of(centres, true=TRUE, is_inside=ALL_INSIDE):
    """Labels of found nuclei, the first with the most contrast."""
    return match(Blobs(np.asarray(centres), np.arange(len(centres), 0, -1.0)), true, is_inside)


def test_each_true_nucleus_is_found_once():
    assert (labels_of(CENTRES) == RIGHT).all()
    assert (labels_of(CENTRES[:-1]) == RIGHT).sum() == len(CENTRES) - 1
    twice = np.concatenate([CENTRES, CENTRES[:1] + 0.1])
    assert labels_of(twice).tolist() == [RIGHT] * len(CENTRES) + [WRONG]
    assert labels_of(twice[::-1])[0] == RIGHT  # the one with more contrast


@pytest.mark.parametrize(("share", "label"), [(0.9, RIGHT), (1.1, WRONG)])
@pytest.mark.parametrize("axis", range(3))
def test_a_nucleus_may_be_off_by_a_radius(share, label, axis):
    shifted = CENTRES.copy()
    shifted[4, axis] += share * RADII[4]
    expected = [RIGHT] * len(CENTRES)
    expected[4] = label
    assert labels_of(shifted).tolist() == expected


def test_the_order_of_the_true_nuclei_does_not_matter():
    rng = np.random.default_rng(0)
    found = rng.uniform(0, 30, (200, 3))
    true = Nuclei(rng.uniform(0, 30, (100, 3)), rng.uniform(1, 5, 100))
    is_inside = rng.random(100) < 0.8
    order = rng.permutation(100)
    turned = Nuclei(true.centres_um[order], true.radii_um[order])
    labels = labels_of(found, true, is_inside)
    assert {RIGHT, WRONG, OUTSIDE} == set(labels)
    np.testing.assert_array_equal(labels_of(found, turned, is_inside[order]), labels)


def test_no_nuclei_are_no_error():
    nothing = Nuclei(np.empty((0, 3)), np.empty(0))
    assert labels_of(CENTRES, nothing, np.empty(0, bool)).tolist() == [WRONG] * len(CENTRES)
    assert labels_of(np.empty((0, 3))).tolist() == []


def examined(folder, restored_image, known=True, centres=CENTRES):
    """A volume of balls as ground truth, and this restoration of it, examined."""
    truth = np.uint16(200 + 1000 * balls(centres))
    paths = {"truth": folder / "truth.tif", "restored": folder / "1" / "v.tif"}
    write_volume(paths["truth"], truth, "ZYX")
    write_volume(paths["restored"], restored_image.astype(np.float32), "ZYX")
    rows = pd.DataFrame(CENTRES / VOXEL, columns=["z", "y", "x"])
    listing = rows.assign(volume="v", radius_um=DIAMETER / 2)
    pair = Pair("v", "1", "ZYX", paths["truth"], paths["truth"])
    return examine(pair, folder, Detector(DIAMETER, VOXEL, 0.1), listing if known else None)


def scores_of(found):
    return {metric: value for _, metric, value in object_scores([found])}


@pytest.mark.parametrize("known", [True, False])
def test_the_ground_truth_itself_shows_all(tmp_path, known):
    scores = scores_of(examined(tmp_path, 5 + 3 * balls(CENTRES), known))
    assert scores == pytest.approx(
        {
            "precision": 1,
            "recall": 1,
            "f1": 1,
            "count_error": 0,
            "average_precision": 1,
            "intensity_error": 0,
            "intensity_correlation": 1,
        },
        abs=0.01,
    )


def test_a_lost_and_an_invented_nucleus_are_seen(tmp_path):
    lost = examined(tmp_path, balls(CENTRES[1:]))
    count = len(CENTRES)
    assert scores_of(lost)["recall"] == pytest.approx((count - 1) / count)
    assert scores_of(lost)["precision"] == 1
    assert scores_of(lost)["count_error"] == pytest.approx(-1 / count)
    invented = examined(tmp_path, balls([*CENTRES, [8, 26, 12]]))
    assert scores_of(invented)["recall"] == 1
    assert scores_of(invented)["precision"] == pytest.approx(count / (count + 1))
    assert scores_of(invented)["count_error"] == pytest.approx(1 / count)


def test_a_nucleus_centred_beyond_the_edge_is_neither_found_nor_invented(tmp_path):
    beyond = CENTRES.copy()
    beyond[5, 0] = -1.5
    rows = pd.DataFrame(beyond / VOXEL, columns=["z", "y", "x"])
    path, image = tmp_path / "v.tif", tmp_path / "1" / "v.tif"
    write_volume(path, balls(beyond), "ZYX")
    write_volume(image, balls(beyond), "ZYX")
    pair = Pair("v", "1", "ZYX", path, path)
    listing = rows.assign(volume="v", radius_um=DIAMETER / 2)
    found = examine(pair, tmp_path, Detector(DIAMETER, VOXEL, 0.1), listing)
    assert found.count == len(CENTRES) - 1
    assert (found.labels == OUTSIDE).sum() == 1
    assert scores_of(found)["f1"] == 1


def test_intensities_are_those_in_the_balls_of_the_true_nuclei(tmp_path):
    found = examined(tmp_path, 2 * balls(CENTRES[1:]))
    normal, shown = found.intensities
    np.testing.assert_allclose(normal, 1, atol=0.35)  # voxels at the surface are dimmer
    np.testing.assert_allclose(shown[1:], 2 * normal[1:], atol=0.05)
    assert shown[0] == 0


def test_an_image_that_cannot_be_fitted_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"v\.tif against .*truth\.tif: the image is constant"):
        examined(tmp_path, np.ones((12, 40, 60)))
