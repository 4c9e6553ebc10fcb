"""Model folders from strangers: JSON that lies is refused before a network is built of it."""

import json

import pytest
from made_up_networks import save_network

from denoising.study.errors import StudyError
from denoising.study.pretrained import read_network


@pytest.fixture
def refused(tmp_path):
    """What is said of a folder whose files hold these things."""

    def say(training=None, **keys):
        folder = tmp_path / "theirs"
        save_network(folder, **keys)
        if training is not None:
            (folder / "training.json").write_text(training)
        with pytest.raises(StudyError) as error:
            read_network("restore.model", str(folder))
        assert str(error.value).startswith(f"restore.model is {folder}, expected a csbdeep model")
        return str(error.value)

    return say


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"axes": 3}, "in its config.json, axes is 3, expected string"),
        ({"axes": "YXYC"}, "axes is 'YXYC', expected Y, X, C and perhaps Z, each once"),
        ({"axes": "YX../.."}, "axes: found 'YX../..', expected letters of ZYXC"),
        ({"n_channel_in": "1"}, "n_channel_in is '1', expected integer"),
        ({"probabilistic": 1}, "probabilistic is 1, expected boolean"),
        ({"unet_n_first": 10**9}, "unet_n_first: 1000000000 is greater than the maximum"),
        ({"unet_n_depth": 0}, "unet_n_depth: 0 is less than the minimum"),
        ({"unet_last_activation": {"class_name": "Lambda"}}, "expected string"),
        ({"train_loss": ["mae"]}, "train_loss is ['mae'], expected string"),
        (
            {"unet_input_shape": [8, 8, 1]},
            "unet_input_shape is [8, 8, 1], expected [None, None, 1]",
        ),
        ({"custom_objects": {}}, "the config has no key custom_objects"),
    ],
)
def test_a_config_that_lies_is_refused(keys, said, refused):
    assert said in refused(**keys)


def test_a_network_of_more_weights_than_its_file_has_is_refused(refused):
    """It would fill the memory before Keras sees that they do not fit."""
    said = refused(unet_n_first=4096)
    assert "at least 4831838208 bytes of weights, but its weights have 1048576" in said


@pytest.mark.parametrize(
    ("training", "said"),
    [
        ("[]", "in its training.json, the config is [], expected object"),
        ("{", "its training.json is not JSON"),
        ("[" * 10**5, "its training.json is not JSON"),
        ('{"percentiles": "3"}', "percentiles is '3', expected array or null"),
        ('{"percentiles": [3]}', "percentiles: [3] is too short"),
        ('{"seen": {"noise": [1, 2]}}', "seen.noise: [1, 2] is too short"),
        ('{"sha256": {"../../secret": "00"}}', "sha256 is '../../secret', expected one of config"),
        (json.dumps({"settings": "a" * (1 << 20)}), "training.json is no file, or is larger than"),
    ],
    ids=["list", "cut", "deep", "text", "short", "two", "path", "large"],
)
def test_a_description_that_lies_is_refused(training, said, refused):
    assert said in refused(training=training)


def test_a_description_by_a_training_here_passes(tmp_path):
    save_network(tmp_path / "ours")
    described = {
        "settings": {"width": 4}, "percentiles": [3, 99.8], "patch_shape": [16, 16],
        "voxel_size": [None, 0.2], "seen": {"noise": [0.1, 0.2, 0.3]},
        "sha256": {"config.json": "00", "history.csv": "00"},
    }  # fmt: skip
    (tmp_path / "ours/training.json").write_text(json.dumps(described))
    assert read_network("restore.model", str(tmp_path / "ours")).channels == 1


def test_a_name_longer_than_a_disk_takes_is_no_folder():
    with pytest.raises(StudyError, match="restore.model is a+, expected a csbdeep model folder"):
        read_network("restore.model", "a" * 300)


def test_a_folder_in_place_of_weights_is_none(tmp_path):
    save_network(tmp_path / "theirs")
    (tmp_path / "theirs/weights_best.h5").unlink()
    (tmp_path / "theirs/weights_best.h5").mkdir()
    with pytest.raises(StudyError, match=r"the folder has no weights \(\*\.h5\)"):
        read_network("restore.model", str(tmp_path / "theirs"))
