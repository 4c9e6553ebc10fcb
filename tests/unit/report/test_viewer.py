"""What the viewer of a test set shows: on one scale, with the worst places, and never too much."""

import json

import numpy as np
import pandas as pd
import pytest
from made_up import study_of
from viewer_levels import decoded, png

from denoising.evaluation.protocols import TRUTH_PERCENTILES, score_volume
from denoising.images.volumes import listing_row, paired, write_listing, write_volume
from denoising.report import viewer
from denoising.report.viewer import TestSet, sections_of_test_set
from denoising.report.viewer_sections import Method, view_of
from denoising.report.viewer_words import page_data, words_of
from denoising.study.viewed import runs_left_out, viewed_runs

CONDITIONS = ["1", "2"]
PLANTED = (3, slice(16, 32), slice(32, 48))  # the window of the largest error


def specimen(shape, volumes=2):
    """Truths, and per condition inputs, restorations and predicted scales, by volume."""
    rng = np.random.default_rng(0)
    for number in range(volumes):
        truth = np.cumsum(rng.normal(size=shape), axis=-1).astype(np.float32) * 100
        noisy = {c: truth + rng.normal(size=shape) * 200 * (i + 1) for i, c in enumerate("12")}
        yield f"v{number}", truth, noisy


def a_test_set(folder, shape=(9, 48, 64), volumes=2):
    rows = []
    for volume, truth, noisy in specimen(shape, volumes):
        axes = "ZYX"[-truth.ndim :]
        for condition, image in {"truth": truth, **noisy}.items():
            image = image.astype(np.float32)
            row = listing_row("test", volume, condition, image, axes)
            write_volume(folder / "volumes" / row["path"], image, axes)
            rows.append(row)
            if condition == "truth":
                continue
            restored = (image + 3 * truth) / 4 / 50 + 7  # in other units
            if volume == "v1" and condition == "2" and truth.ndim == 3:
                restored[PLANTED] += 40
            write_volume(folder / f"net/{condition}/{volume}.tif", restored, axes)
            scale = np.full_like(restored, 2)
            write_volume(folder / f"net/scale/{condition}/{volume}.tif", scale, axes)
    write_listing(folder / "volumes", rows)
    return TestSet(
        pairs=list(paired(folder / "volumes", "test", CONDITIONS)),
        methods=[Method("input", None), Method("net", folder / "net", True)],
        first="net",
        conditions=CONDITIONS,
        voxel_size=(1.0, 0.4, 0.4),
    )


def on_truths_scale(pair_truth):
    low, high = np.percentile(pair_truth, TRUTH_PERCENTILES)
    return (pair_truth - low) / (high - low)


def test_images_lie_on_the_scale_of_the_truth(tmp_path):
    found = sections_of_test_set(a_test_set(tmp_path))
    _, truth, noisy = list(specimen((9, 48, 64)))[0]
    expected = np.clip(on_truths_scale(truth), -0.1, 1.5).reshape(-1, 64)
    assert decoded(found["images"]["0||truth"], "image") == pytest.approx(expected, abs=0.004)
    net = decoded(found["images"]["0|0|net"], "image")
    gain, offset = np.polyfit(net.ravel(), expected.ravel(), 1)
    assert (gain, offset) == pytest.approx((1, 0), abs=0.02)
    shown = decoded(found["images"]["0|1|input"], "image")
    assert shown == pytest.approx(
        np.clip(on_truths_scale(noisy["2"]), -0.1, 1.5).reshape(-1, 64), abs=0.004
    )
    gain, offset = np.polyfit(shown.ravel(), expected.ravel(), 1)
    assert found["images"]["0|1|input"]["fit"] == pytest.approx((gain, offset), abs=0.02)
    span = np.diff(np.percentile(truth, TRUTH_PERCENTILES))[0]
    scale = decoded(found["images"]["0|0|net"]["scale"], "scale")
    assert scale == pytest.approx(np.full_like(scale, 2 * 50 / span), rel=0.1)


def test_the_local_ssim_is_that_of_the_scores(tmp_path):
    made = a_test_set(tmp_path)
    found = sections_of_test_set(made)
    levels = png(found["images"]["0|0|input"]["ssim"]["xy"]).reshape(9, 24, 32)
    assert (levels[:3] == 0).all()  # no window
    assert (levels[-3:] == 0).all()
    shown = decoded(found["images"]["0|0|input"]["ssim"], "ssim").reshape(9, 24, 32)
    _, truth, noisy = list(specimen((9, 48, 64)))[0]
    scores = score_volume(truth, noisy["1"].astype(np.float32), ["paper"], is_input=True)
    expected = next(row["value"] for row in scores if row["metric"] == "ssim")
    assert shown[3:-3, 2:-2, 2:-2].mean() == pytest.approx(expected, abs=0.02)


def test_the_worst_place_comes_first_and_each_window_once(tmp_path):
    worst = sections_of_test_set(a_test_set(tmp_path))["worst"]
    first, *others = worst["net"]
    expected = {"volume": 1, "condition": 1, "plane": 3, "y": 16, "x": 32, "height": 16}
    assert expected.items() <= first.items()
    errors = [float(place["error"]) for place in worst["net"]]
    assert errors == sorted(errors, reverse=True)
    assert not [
        place for place in others if (place["volume"], place["y"], place["x"]) == (1, 16, 32)
    ]
    assert set(worst) == {"input", "net"}


def test_planes_are_shown_as_such(tmp_path):
    found = sections_of_test_set(a_test_set(tmp_path, shape=(48, 64)))
    assert found["volumes"][0]["planes"] == [0]
    assert decoded(found["images"]["1|1|net"], "image").shape == (48, 64)
    assert png(found["images"]["1|1|net"]["ssim"]["xy"])[5, 5] > 0


@pytest.mark.parametrize(
    ("shape", "voxels"),
    [((95, 1024, 1024), 1e5), ((16, 96, 96), 1e5), ((1, 2048, 2048), 1e5), ((95, 200, 4000), 5e4)],
)
def test_a_view_of_a_large_volume_has_the_worst_place_and_not_too_many_voxels(shape, voxels):
    worst = [size - 1 for size in shape]
    view = view_of(shape, voxels, worst)
    height, width = (part.stop - part.start for part in (view.rows, view.columns))
    assert 0.5 * voxels < len(view.planes) * height * width <= voxels
    assert worst[0] in view.planes
    assert worst[1] in range(view.rows.start, view.rows.stop)
    assert worst[2] in range(view.columns.start, view.columns.stop)
    assert (view.row is None) == (len(view.planes) == shape[0])


def test_a_volume_that_fits_is_shown_whole():
    view = view_of((16, 96, 96), 16 * 96 * 96, (3, 4, 5))
    assert view.planes == list(range(16))
    assert (view.rows, view.columns, view.row) == (slice(0, 96), slice(0, 96), None)


def test_a_page_is_never_too_large(tmp_path, monkeypatch):
    """Fewer planes, windows of them, and at last fewer volumes: the worst and the best at least."""
    monkeypatch.setattr(viewer, "PAGE_BYTES", 40_000)
    monkeypatch.setattr(viewer, "FEWEST_VOXELS", 2000)
    made = a_test_set(tmp_path, shape=(12, 48, 64), volumes=4)
    found = sections_of_test_set(made)
    assert 20_000 < len(json.dumps(found["images"])) < 60_000
    assert len(found["volumes"]) < 4
    assert "v1" in [volume["name"] for volume in found["volumes"]]
    volume = found["volumes"][0]
    assert volume["is_cut"]
    rows, columns = volume["size"]
    assert png(found["images"]["0|1|net"]["xy"]).shape == (len(volume["planes"]) * rows, columns)
    for image in (found["images"]["0|1|net"], found["images"]["0|1|net"]["scale"]):
        assert png(image["xz"]).shape == (12, columns)
    assert png(found["images"]["0|1|net"]["ssim"]["xz"]).shape == (12, -(-columns // 2))
    data = page_of(found, 4)
    said = " ".join(words_of(data, "net", ["others"]))
    assert f"It shows {len(found['volumes'])} of 4 volumes" in said
    assert "Networks not shown: others." in said
    assert "around the largest error of net" in said


def page_of(sections, volumes):
    scores = pd.DataFrame(
        [
            {"method": m, "condition": c, "volume": f"v{i}", "metric": metric, "value": 0.1234}
            for m in ("input", "net")
            for c in CONDITIONS
            for i in range(volumes)
            for metric in ("nrmse", "ssim", "psnr")
        ]
    )
    methods = {"input": ("input", "as it is"), "net": ("my net", "")}
    return page_data(sections, methods, "net", {"1": "clean", "2": "noisy"}, scores)


def test_tables_hold_every_volume_and_where_it_is_shown(tmp_path):
    sections = sections_of_test_set(a_test_set(tmp_path))
    data = page_of(sections, 3)
    assert [table["label"] for table in data["tables"]] == ["NRMSE", "SSIM", "PSNR (dB)"]
    rows = data["tables"][0]["rows"]
    assert [row["volume"] for row in rows] == [0, 0, 1, 1, None, None]
    assert rows[0]["values"] == ["0.123", "0.123"]
    assert data["columns"][data["sort"]] == {"label": "my net", "method": "net"}
    assert [method["name"] for method in data["methods"]] == ["input", "net", "truth"]


def test_the_example_and_then_compared_models_are_viewed():
    model = {"trained_on": "planaria"}
    study = study_of(
        {
            "first": {"models": dict.fromkeys(("a", "b", "c"), model)},
            "second": {"models": {"d": {**model, "seeds": [1, 2]}, "e": model}},
        },
        restoration={"keep": True},
    )
    assert viewed_runs(study, "planaria") == ["a", "b", "c", "d-seed1"]
    assert runs_left_out(study, "planaria") == ["d-seed2", "e"]
    thrifty = study_of({"first": {"models": dict.fromkeys(("a", "b"), model)}})
    assert viewed_runs(thrifty, "planaria") == ["a"]
