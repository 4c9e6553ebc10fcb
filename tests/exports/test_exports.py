"""Networks that left the workflow: other libraries than wrote them restore images as ours does."""

import os
import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import bioimageio.core
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
import tifffile
import yaml
from bioimageio.core import Sample, Tensor, create_prediction_pipeline, load_model_description
from conftest import DATA, ROOT, blobs
from csbdeep.data import PercentileNormalizer
from csbdeep.models import CARE
from random_networks import random_network
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from denoising.exports.onnx_network import write_onnx
from denoising.exports.package import Contents, write_package
from denoising.exports.passport import Evidence, passport
from denoising.exports.sample import draw_sample, normalise_channels
from denoising.images.volumes import Pair
from denoising.restoration.restorer import Restorer
from denoising.study.config import resolve
from denoising.training.network import load_model

PERCENTILES = {"stack-care": (3, 99.8), "mine-care": (2, 99.5), "theirs": (2, 99.5)}
REAL = {2: "pairs2d/fmd_mice_noisy.tif", 3: "data3d/neubias_chromosomes_ZYX.tif"}
ODD = {2: (61, 75), 3: (9, 41, 50)}
# Stock csbdeep, which pads and normalises by itself
BY_CSBDEEP = """
import sys, numpy as np
from csbdeep.data import PercentileNormalizer
from csbdeep.models import CARE
folder, image, low, high, restored = sys.argv[1:]
network = CARE(None, name="csbdeep", basedir=folder)
normalizer = PercentileNormalizer(float(low), float(high), do_after=False)
axes = network.config.axes.replace("C", "")
parts = network.predict_probabilistic if network.config.probabilistic else network.predict
made = parts(np.load(image), axes, normalizer=normalizer)
made = [made.mean(), made.scale()] if network.config.probabilistic else [made]
np.save(restored, np.stack(made, axis=-1))
"""


@dataclass
class Case:
    """A run's exports, an image, and what our restorer makes of it: (..., 1 or 2), normalised."""

    run: str
    exports: Path
    network: CARE
    image: np.ndarray
    ours: np.ndarray

    @property
    def normalised(self):
        low, high = np.percentile(self.image, PERCENTILES[self.run])
        return ((self.image - low) / (high - low)).astype(np.float32)

    def padded(self, image):
        """Reflected to multiples of 2**depth, with a batch and a channel; and where it lies."""
        pads = [(-size % 4 // 2, -size % 4 - -size % 4 // 2) for size in image.shape]
        inside = tuple(slice(a, a + size) for (a, _), size in zip(pads, image.shape, strict=True))
        return np.pad(image, pads, mode="reflect")[None, ..., None], (0, *inside)

    def agrees(self, restored):
        assert restored.shape == self.ours.shape
        assert np.abs(restored - self.ours).max() < 1e-4 * np.ptp(self.ours)


def ours(network, image, percentiles):
    restorer = Restorer(network, 10**7, percentiles=percentiles)
    normalised = normalise_channels(image[..., None], percentiles, ["image"])[..., 0]
    outputs = [np.empty(image.shape, np.float32) for _ in range(1 + restorer.probabilistic)]
    restorer.restore(normalised, restorer.axes, *outputs)
    return np.stack(outputs, axis=-1)


def case_of(study, run, image):
    network = load_model(study / "results/models" / run)
    exports = study / "results/exports" / run
    return Case(run, exports, network, image, ours(network, image, PERCENTILES[run]))


@pytest.fixture(scope="module", params=["made up", "real"])
def kind(request):
    if request.param == "real" and not DATA.is_dir():
        pytest.skip("the real images are not here")
    return request.param


@pytest.fixture(scope="module", params=PERCENTILES)
def case(study, request, kind):
    if request.param == "theirs" and not DATA.is_dir():
        pytest.skip("the real network is not here")
    dimensions = 3 if request.param == "stack-care" else 2
    image = blobs(ODD[dimensions])
    if kind == "real":
        image = tifffile.imread(DATA / REAL[dimensions])
        image = image[tuple(slice(0, size // 2 - 1) for size in image.shape)]
        assert any(size % 4 for size in image.shape)
    return case_of(study, request.param, image)


# Each form


def test_onnxruntime_restores_alike(case):
    session = onnxruntime.InferenceSession(case.exports / f"{case.run}.onnx")
    image, inside = case.padded(case.normalised)
    case.agrees(session.run(None, {"input": image})[0][inside])


def test_stock_csbdeep_restores_alike(case, tmp_path):
    np.save(tmp_path / "image.npy", case.image)
    arguments = [case.exports, "image.npy", *PERCENTILES[case.run], "restored.npy"]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-I", "-c", BY_CSBDEEP, *map(str, arguments)]
    subprocess.run(command, cwd=tmp_path, check=True, env=environment)
    case.agrees(np.load(tmp_path / "restored.npy"))


def test_tensorflow_restores_alike_by_the_saved_model(case, tmp_path):
    with zipfile.ZipFile(case.exports / "TF_SavedModel.zip") as archive:
        archive.extractall(tmp_path)
    network = tf.saved_model.load(str(tmp_path), tags=["serve"]).signatures["serving_default"]
    image, inside = case.padded(case.normalised)
    case.agrees(network(input=tf.constant(image))["output"].numpy()[inside])


def test_bioimageio_core_restores_alike(case):
    """By the package's own normalisation and steps, in one piece."""
    dims = ("batch", *case.network.config.axes.replace("C", "").lower(), "channel")
    package = load_model_description(case.exports / f"{case.run}.bioimageio.zip")
    sizes = [axis.size for axis in package.inputs[0].axes if axis.id in ("z", "y", "x")]
    assert {size.step for size in sizes} == {4}
    raw = Tensor.from_numpy(case.image[None, ..., None].astype(np.float32), dims=dims)
    with create_prediction_pipeline(package) as pipeline:
        sample = Sample(members={"raw": raw}, stat={}, id="image")
        pipeline.apply_preprocessing(sample)
        image, inside = case.padded(sample.members["raw"].to_numpy()[0, ..., 0])
        sample.members["raw"] = Tensor.from_numpy(image, dims=dims)
        whole = {"skip_preprocessing": True, "skip_input_padding": True}
        restored = pipeline.predict_sample_without_blocking(
            sample, **whole, skip_output_cropping=True
        )
    case.agrees(restored.members["restored"].to_numpy()[inside])


@pytest.mark.parametrize(
    ("run", "shape", "steps"), [("mine-care", (140, 160), 4), ("stack-care", (96, 96, 96), 11)]
)
def test_the_halo_of_the_package_is_as_wide_as_the_network_sees(study, run, shape, steps):
    """In tiles, bioimageio.core restores as ours does in one piece, but for the image's edges."""
    case = case_of(study, run, blobs(shape))
    dims = ("batch", *"zyx"[-len(shape) :], "channel")
    restored = bioimageio.core.predict(
        model=case.exports / f"{run}.bioimageio.zip",
        inputs={"raw": Tensor.from_numpy(case.image[None, ..., None], dims=dims)},
        blocksize_parameter=steps,
    )
    inner = (slice(24, -24),) * len(shape)
    found = restored.members["restored"].to_numpy()[0][inner]
    assert np.abs(found - case.ours[inner]).max() < 1e-4 * np.ptp(case.ours)


@pytest.mark.parametrize("probabilistic", [False, True])
def test_a_network_of_several_channels_leaves_too(tmp_path, probabilistic):
    network = random_network("YX", 1, 3, probabilistic, channels=2)
    files = []
    for channel in range(2):
        files.append(tmp_path / f"{channel}.tif")
        tifffile.imwrite(files[-1], blobs((41, 30), channel), metadata={"axes": "YX"})
    pair = Pair("a", "1", "YX", files[0], files[0], channels=tuple(files))
    sample = draw_sample(Restorer(network, 10**6), pair)
    assert sample.restored.shape[-1] == (4 if probabilistic else 2)
    page, onnx = tmp_path / "page.md", tmp_path / "two.onnx"
    page.write_text("# Two\n\n## Validation\n")
    opset = write_onnx(network, onnx)
    contents = Contents("two", "", network.config, (3, 99.8), onnx, opset, page, None)
    write_package(contents, sample, tmp_path / "two.zip")
    wrong = write_onnx(random_network("YX", 1, 5, probabilistic, channels=2), onnx)
    assert wrong == opset
    with pytest.raises(ValueError, match=r"wrong\.zip: the package does not pass bioimage\.io's"):
        write_package(contents, sample, tmp_path / "wrong.zip")
    assert not (tmp_path / "wrong.zip").exists()


@pytest.mark.parametrize("number", range(3))
def test_the_examples_of_the_page_run_as_they_stand(study, monkeypatch, number):
    """On an image whose percentiles are those that the page names."""
    monkeypatch.chdir(study)
    code = re.findall(r"```python\n(.*?)```", (ROOT / "docs/exports.md").read_text(), re.S)
    image = blobs((100, 120))
    network = load_model(study / "results/models/mine-care")
    names = {"np": np, "onnxruntime": onnxruntime, "bioimageio": bioimageio, "image": image}
    names |= {"CARE": CARE, "PercentileNormalizer": PercentileNormalizer}
    exec(code[number], names)
    restored = np.asarray(names["restored"].data if number == 1 else names["restored"]).squeeze()
    percentiles = PERCENTILES["mine-care"] if number == 1 else (3, 99.8)
    inner = (slice(24, -24),) * 2
    expected = ours(network, image, percentiles)[..., 0]
    assert restored.shape == expected.shape
    assert np.abs(restored - expected)[inner].max() < 1e-4 * np.ptp(expected)


# What goes with a network


def test_the_package_passes_the_test_of_its_community(study):
    for path in sorted(study.glob("results/exports/*/*.bioimageio.zip")):
        assert bioimageio.core.test_model(path).status == "passed"


def test_the_package_is_a_passport(study):
    package = load_model_description(study / "results/exports/stack-care/stack-care.bioimageio.zip")
    preprocessing = {step.id: step.kwargs for step in package.inputs[0].preprocessing}
    scaling = preprocessing["scale_range"]
    assert (scaling.min_percentile, scaling.max_percentile) == (3, 99.8)
    assert [getattr(axis, "halo", None) for axis in package.outputs[0].axes] == [
        None, 24, 24, 24, None,
    ]  # fmt: skip
    assert package.inputs[0].pad.mode == "reflect"
    assert (package.license, package.authors[0].name) == ("MIT", "The authors of this workflow")
    with zipfile.ZipFile(study / "results/exports/stack-care/stack-care.bioimageio.zip") as archive:
        page = archive.read("README.md").decode()
        assert archive.read("cover.png")[:4] == b"\x89PNG"
    assert page == (study / "results/exports/stack-care/README.md").read_text()
    for word in ("best filter (Gaussian)", "NRMSE", "## Calibration", "SHA-256", "commit"):
        assert word in page


def test_a_network_without_scores_gets_no_passport(study):
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    resolved = resolve(yaml.safe_load((study / "study.yaml").read_text()), schema)
    own, training = "scores/mine-care/mine.csv", "models/mine-care/training.json"
    evidence = Evidence([study / "results" / own], {}, study / "results" / training, {}, "MIT")
    with pytest.raises(ValueError, match=r"mine\.csv: found no scores of mine-care and the input"):
        passport("mine-care", resolved, evidence)


def test_the_licence_of_a_network_made_elsewhere_is_not_made_up(study):
    if not DATA.is_dir():
        pytest.skip("the real network is not here")
    package = load_model_description(study / "results/exports/theirs/theirs.bioimageio.zip")
    assert (package.license, package.authors) == (None, [])
    assert "licence: MIT" not in (study / "results/exports/theirs/README.md").read_text()


def test_the_saved_model_is_made_as_csbdeep_exported_it_for_fiji(study):
    """Held against a real export, by its tags, signature, names, types, shapes and operations."""
    if not DATA.is_dir():
        pytest.skip("the real export is not here")
    real, found = (
        zipfile.ZipFile(path)
        for path in (
            DATA / "models/salome_care2d/TF_SavedModel.zip",
            study / "results/exports/theirs/TF_SavedModel.zip",
        )
    )
    assert sorted(real.namelist()) == sorted(found.namelist())
    assert real.read("meta.json").replace(b"0.6.3", b"0.8.1") == found.read("meta.json")
    theirs, mine = (
        SavedModel.FromString(archive.read("saved_model.pb")).meta_graphs[0]
        for archive in (real, found)
    )
    assert theirs.meta_info_def.tags == mine.meta_info_def.tags == ["serve"]
    for side in ("inputs", "outputs"):
        (name, tensor), (other, own) = (
            *getattr(theirs.signature_def["serving_default"], side).items(),
            *getattr(mine.signature_def["serving_default"], side).items(),
        )
        assert (name, tensor.dtype, tensor.tensor_shape) == (other, own.dtype, own.tensor_shape)
    assert mine.signature_def["serving_default"].inputs["input"].name == "input:0"
    known = attributes(theirs)
    for operation, names in attributes(mine).items():
        assert operation in known or operation == "Fill"
        assert names <= known.get(operation, names)


def attributes(graph):
    """The attributes of each operation, without TensorFlow's internal ones."""
    found = {}
    for node in graph.graph_def.node:
        names = {name for name in node.attr if not name.startswith("_")}
        found.setdefault(node.op, set()).update(names)
    return found
