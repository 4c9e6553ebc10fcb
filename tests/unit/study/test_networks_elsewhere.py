"""Networks made elsewhere: what a config may say of them, by the config.json of their folders."""

import copy
from pathlib import Path

import pytest
import yaml
from made_up_networks import save_network

from denoising.study.config import resolve
from denoising.study.errors import StudyError

ROOT = Path(__file__).parents[3]
STUDY = """
title: Networks
datasets:
  mine:
    pairs: {low: "*_low.tif", high: "*_high.tif", axes: YX}
    patches: {shape: [16, 16]}
training: {trained_on: mine, width: 4}
"""


@pytest.fixture(scope="module")
def schema():
    return yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())


@pytest.fixture(autouse=True)
def networks(tmp_path, monkeypatch):
    """Folders of networks: like the study's own, and such as the study cannot use."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NETWORKS", str(tmp_path))
    unlike = {
        "theirs": {}, "turned": {"axes": "XYC"}, "deep": {"axes": "ZYXC"},
        "wide": {"unet_n_first": 8},
        "colour": {"n_channel_in": 2, "n_channel_out": 2}, "plain": {"probabilistic": False},
        "merging": {"n_channel_in": 2},
    }  # fmt: skip
    for name, keys in unlike.items():
        save_network(Path(name), **keys)
    Path("empty").mkdir()
    Path("odd").mkdir()
    Path("odd/config.json").write_text("{}")
    Path("odd/weights.h5").touch()


def study(schema, models, **more):
    return resolve(yaml.safe_load(STUDY) | {"studies": {"s": {"models": models}}} | more, schema)


def test_a_pretrained_network_has_the_settings_that_its_folder_tells(schema):
    made = study(schema, {"theirs": {"pretrained": "$NETWORKS/turned"}, "own": {}})
    theirs = made.models["theirs"]
    assert (theirs.training.width, theirs.training.epochs) == (4, 7)
    assert theirs.trained_on == "elsewhere"
    assert (theirs.patches_of, theirs.tested_on) == ("mine", ("mine",))
    assert list(made.trainings) == ["own"]
    assert made.probabilistic_methods == ["theirs", "own"]
    assert not made.is_cross_tested


def test_a_network_of_channels_is_tested_on_the_dataset_of_each_and_not_calibrated(schema):
    datasets = yaml.safe_load(STUDY)["datasets"]
    datasets |= {"other": datasets["mine"] | {"table": "other"}}
    model = {"pretrained": "colour", "channels": ["other", "mine"]}
    made = study(schema, {"theirs": model, "own": {}}, datasets=datasets)
    theirs = made.models["theirs"]
    assert theirs.channels == theirs.tested_on == ("other", "mine")
    assert made.probabilistic_methods == ["own"]


def test_a_training_starts_from_an_earlier_model_or_from_a_folder(schema):
    models = {"a": {}, "b": {"start_from": "a"}, "c": {"start_from": "theirs"}}
    made = study(schema, models)
    assert [model.training.start_from for model in made.models.values()] == [None, "a", "theirs"]


FOLDER = "expected a csbdeep model folder"
REFUSED = {
    "no folder": ({"pretrained": "gone"}, f"s.models.one.pretrained is gone, {FOLDER}; "),
    "no model": ({"pretrained": "empty"}, "the folder has no config.json and no weights (*.h5)."),
    "config.json of others": ({"pretrained": "odd"}, "its config.json lacks axes, n_channel_in"),
    "settings besides": ({"pretrained": "theirs", "width": 8}, "has pretrained and width, but"),
    "channels": ({"pretrained": "colour"}, "takes 2 channels, but channels is []: name 2 data"),
    "channels of one": ({"pretrained": "theirs", "channels": ["mine"]}, "takes one channel: del"),
    "more than it takes": ({"pretrained": "merging"}, "takes 2 channels and gives 1, so that its"),
    "start of channels": ({"start_from": "colour"}, "but trainings are of one channel: name it"),
    "axes": ({"pretrained": "deep"}, "network of the axes ZYX, but the images of mine have YX"),
    "start of other axes": ({"start_from": "turned"}, "axes XY, but the images of mine have YX"),
    "start of other width": ({"start_from": "wide"}, "width is 8 there, 4 here; set the model's"),
    "start without a scale": ({"start_from": "plain"}, "loss is laplace there, mae here"),
    "start of its own": ({"start_from": "one"}, f"is one, {FOLDER}, or a model that stands before"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_such_network_is_refused_in_one_sentence(schema, case):
    model, sentence = copy.deepcopy(REFUSED[case])
    if case == "start without a scale":
        model["loss"] = "mae"
        model["start_from"] = "theirs"
    with pytest.raises(StudyError) as refused:
        study(schema, {"one": model})
    assert sentence in str(refused.value)


def test_a_sweep_has_no_network_made_elsewhere(schema):
    entry = {"varies": "width", "models": {"one": {"pretrained": "theirs"}, "own": {}}}
    with pytest.raises(StudyError, match="is pretrained, but studies.s varies width of trainings"):
        study(schema, {}, studies={"s": entry})


def test_no_training_has_a_network_made_elsewhere_for_its_base(schema):
    first = {"models": {"one": {"pretrained": "theirs"}}}
    second = {"base": "one", "models": {"own": {}}}
    with pytest.raises(StudyError, match="base is one, expected a model that an earlier study"):
        study(schema, {}, studies={"s": first, "t": second})


def test_new_images_need_a_model_of_the_study_or_a_folder(schema):
    restore = {"images": ["*.tif"], "model": "colour"}
    assert study(schema, {"own": {}}, restore=restore).restore.model == "colour"
    assert study(schema, {"own": {}}, restore=restore | {"model": "own"})
    with pytest.raises(StudyError, match="restore.model is kare, .* a model of this study .own.;"):
        study(schema, {"own": {}}, restore=restore | {"model": "kare"})
    with pytest.raises(StudyError, match="merging, a network that takes 2 channels and gives 1"):
        study(schema, {"own": {}}, restore=restore | {"model": "merging"})


def test_a_config_that_is_no_json_is_no_network(schema):
    Path("odd/config.json").write_text("{")
    with pytest.raises(StudyError, match="its config.json is not JSON"):
        study(schema, {"one": {"pretrained": "odd"}})


def test_a_network_made_elsewhere_needs_a_dataset_to_be_tested_on(schema):
    with pytest.raises(StudyError, match="pretrained: give studies.s.tested_on, the datasets it"):
        study(schema, {"one": {"pretrained": "theirs"}}, training={"width": 4})


def test_channels_are_of_the_same_axes(schema):
    datasets = yaml.safe_load(STUDY)["datasets"]
    stacks = {
        "pairs": {"low": "*_l.tif", "high": "*_h.tif", "axes": "ZYX"},
        "patches": {"shape": [8, 16, 16]},
    }
    model = {"pretrained": "colour", "channels": ["mine", "stacks"]}
    with pytest.raises(StudyError, match="its channels stacks and mine have other axes, expected"):
        study(schema, {"one": model}, datasets=datasets | {"stacks": stacks})


def test_a_config_asks_for_studies_or_for_images_to_restore(schema):
    with pytest.raises(StudyError, match="the config has neither studies nor restore: give stu"):
        resolve({"title": "Nothing"}, schema)


@pytest.mark.parametrize(("volumes", "name"), [(None, "tail"), (3, "tail-3-volumes")])
def test_a_split_is_named_by_its_kind_and_by_its_volumes_if_not_all_train(schema, volumes, name):
    made = study(schema, {"own": {"training_volumes": volumes}})
    assert made.models["own"].training.split_name == name
