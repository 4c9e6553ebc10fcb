"""Model folders from strangers, damaged or made to do harm: each network is loaded, or refused in
one sentence that names the folder, in bounded time and memory, and nothing in it is run.
"""

import json
import os
import shutil

import h5py
import numpy as np
import pytest
from bounded import faults, faults_of_each, outcome
from mutations import mutations

from denoising.study.pretrained import read_network

COUNT = 40  # damaged copies of each file


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A small network as csbdeep saves it, with a description as a training here writes it."""
    from csbdeep.models import CARE, Config  # slow to import

    folder = tmp_path_factory.mktemp("networks")
    config = Config("YX", unet_n_depth=1, unet_n_first=2, unet_kern_size=3, probabilistic=True)
    model = CARE(config, name="whole", basedir=str(folder))
    model.keras_model.save_weights(str(folder / "whole/weights_best.h5"))
    described = {
        "percentiles": [3, 99.8], "patch_shape": [16, 16], "voxel_size": [0.5, 0.5],
        "seen": {name: [0.1, 0.2, 0.3] for name in ("noise", "contrast", "fineness")},
    }  # fmt: skip
    (folder / "whole/training.json").write_text(json.dumps(described))
    return folder / "whole"


@pytest.fixture
def folder(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "worms 3")
    return tmp_path / "worms 3"


def loaded(folder):
    """What the workflow does with a model folder before it restores with it or copies it."""

    def read(_=None):
        from denoising.restoration.album import Networks
        from denoising.restoration.restorer import Restorer
        from denoising.training.model_folder import load_sound_model

        network = read_network("restore.model", str(folder))
        model = load_sound_model(folder)
        assert model.config.n_channel_in == network.channels
        _ = Networks.of({folder: Restorer(model, 10**6, 1)}).percentiles

    return read


def faults_of(folder):
    return faults(outcome(loaded(folder), folder.parent), folder.name)


def test_the_network_of_these_tests_is_one(folder):
    found = outcome(loaded(folder), folder.parent)
    assert (found.ended, found.message) == ("value", "")


@pytest.mark.parametrize(
    "file",
    ["config.json", "weights_best.h5", "training.json"],
)
def test_a_damaged_file_of_a_network_is_read_or_refused(file, folder, whole):
    wrong = []
    for name, damaged in mutations((whole / file).read_bytes(), COUNT, seed=1):
        (folder / file).write_bytes(damaged)
        wrong += [f"{name}: {fault}" for fault in faults_of(folder)]
    assert not wrong, "\n".join(wrong)


ODD = {
    "null": None, "true": True, "minus": -1, "nothing": 0, "huge": 10**12, "larger": 10**400,
    "fraction": 1.5, "not_finite": float("nan"), "text": "text", "long_text": "a" * 10**5,
    "above": "../../..", "shell": "$(touch pwned)", "list": [], "list_of_lists": [[1], [2]],
    "mapping": {}, "a_layer": {"class_name": "Lambda", "config": {"function": "os.system"}},
    "a_function": {"class_name": "function", "config": "system", "module": "os"},
}  # fmt: skip


@pytest.mark.parametrize("file", ["config.json", "training.json"])
@pytest.mark.parametrize("name", ODD)
def test_an_odd_value_in_a_network_is_read_or_refused(file, name, folder, whole):
    described = json.loads((whole / file).read_text())

    def cases():
        for key in [*described, "another key", "sha256"]:
            (folder / file).write_text(json.dumps(described | {key: ODD[name]}))
            yield key, loaded(folder)

    def read(_):
        wrong = faults_of_each(cases(), folder.name)
        assert not wrong, "; ".join(wrong)

    found = outcome(read, folder.parent)
    assert (found.kind, found.message) == ("", "")
    assert not list(folder.parent.rglob("pwned"))


@pytest.mark.parametrize("file", ["config.json", "training.json"])
@pytest.mark.parametrize(
    "text",
    ["[]", "null", "3", '"a"', "", "[" * 10**5, '{"a": 1, "a": 2}'],
    ids=["list", "null", "number", "text", "empty", "deep", "twice"],
)
def test_json_of_another_kind_is_refused(file, text, folder):
    (folder / file).write_text(text)
    assert not faults_of(folder)


# Weights


def arrays_in(weights):
    names = []
    weights.visit(names.append)
    return [name for name in names if isinstance(weights[name], h5py.Dataset)]


def no_hdf5(file):
    file.write_bytes(b"\x89HDF no more")


def empty(file):
    file.write_bytes(b"")


def not_a_file(file):
    file.unlink()
    file.mkdir()


def of_other_shapes(file):
    with h5py.File(file, "a") as weights:
        for name in arrays_in(weights):
            del weights[name]
            weights[name] = np.zeros(7, np.float32)


def of_text(file):
    with h5py.File(file, "a") as weights:
        del weights["down_level_0_no_0"]
        weights["down_level_0_no_0"] = "text"


def without_layers(file):
    with h5py.File(file, "a") as weights:
        del weights.attrs["layer_names"]


def of_a_whole_model(file):
    """Keras's older format of whole models: a layer that would run a function of its own."""
    lambda_layer = {"class_name": "Lambda", "config": {"function": ["4wEAAAA=", None, None]}}
    words = {"class_name": "Sequential", "config": {"layers": [lambda_layer]}}
    with h5py.File(file, "a") as weights:
        weights.attrs["model_config"] = json.dumps(words)


def elsewhere(file):
    """A link of HDF5 to another file."""
    with h5py.File(file, "a") as weights:
        del weights["down_level_0_no_0"]
        weights["down_level_0_no_0"] = h5py.ExternalLink("/etc/hostname", "/")


def of_exabytes(file):
    """A dataset that takes no room in the file."""
    with h5py.File(file, "a") as weights:
        name = arrays_in(weights)[0]
        del weights[name]
        weights.create_dataset(name, (1 << 40, 1 << 20), "f4", chunks=(16, 16))


def of_the_new_format(file):
    os.replace(file, file.with_name("best.weights.h5"))


WEIGHTS = [
    no_hdf5, empty, not_a_file, of_other_shapes, of_text,
    without_layers, of_a_whole_model, elsewhere, of_exabytes,
    of_the_new_format,
]  # fmt: skip


@pytest.mark.parametrize("harm", WEIGHTS)
def test_weights_that_are_none_are_refused(harm, folder):
    harm(folder / "weights_best.h5")
    assert not faults_of(folder)
