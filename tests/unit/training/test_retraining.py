"""What is said before a finished model is trained again."""

import json

import pytest

from denoising.training.retraining import announcement, cause

SETTINGS = {"epochs": 2, "steps_per_epoch": 10, "batch_size": 4, "width": 8, "seed": 1}


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "worm"
    folder.mkdir()
    (folder / "training.json").write_text(json.dumps({"settings": SETTINGS}))
    (folder / "history.csv").write_text("epoch,seconds\n1,30.5\n2,29.5\n")
    return folder


def test_changed_settings_and_the_time_for_as_many_patches_are_said(model):
    said = announcement(model, SETTINGS | {"epochs": 6, "width": 16}, "the code")
    assert said == (
        "worm will be trained again, for about 0:03:00 (h:mm:ss), because settings changed: "
        f"epochs 2 -> 6, width 8 -> 16; the finished model stays in {model} until then."
    )


def test_without_changed_settings_the_reason_is_said(model):
    said = announcement(model, SETTINGS, cause(is_forced=False, has_new_data=True))
    assert "0:01:00 (h:mm:ss), because its patches, their split, or the model that" in said


def test_a_network_that_it_starts_from_is_named_if_it_changed(model):
    record = json.loads((model / "training.json").read_text())
    (model / "training.json").write_text(json.dumps(record | {"start_sha256": ["a", "b"]}))
    code = cause(is_forced=False, has_new_data=False)
    assert "because the code behind it" in announcement(model, SETTINGS, code, ["a", "b"])
    assert "because the network that it starts" in announcement(model, SETTINGS, code, ["a", "c"])


def test_a_model_that_tells_no_settings_is_announced_too(model):
    (model / "training.json").write_text("{}")
    said = announcement(model, SETTINGS, cause(is_forced=False, has_new_data=False))
    assert "0:01:00 (h:mm:ss), because the code behind it changed; the" in said


def test_what_was_asked_for_is_the_reason_before_all_others():
    assert cause(is_forced=True, has_new_data=True) == "it was asked for"


DAMAGED = [None, b"", b"[1]", b"epoch,seconds\n1,3x\n", b"\xff", b'{"settings": {"epochs": 0}}']


@pytest.mark.parametrize("content", DAMAGED)
def test_without_a_readable_history_the_time_is_left_out(model, content):
    """As that of a network made elsewhere, which has none."""
    (model / "history.csv").unlink()
    if content is not None:
        (model / "history.csv").write_bytes(content)
    said = announcement(model, SETTINGS | {"epochs": 6}, "the code behind it changed")
    assert said.startswith("worm will be trained again, because settings changed: epochs 2 -> 6;")


@pytest.mark.parametrize("content", DAMAGED[1:])
def test_without_a_readable_description_the_reason_is_still_said(model, content):
    (model / "training.json").write_bytes(content)
    said = announcement(model, SETTINGS, "the code behind it changed")
    assert said.startswith("worm will be trained again,")
    assert "the finished model stays" in said
