"""Cards without code for them are refused; kernels compiled at the first start are kept."""

import os

import pytest
import tensorflow as tf

from denoising.running.caches import cache_folder
from denoising.training.cards import check_card


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("DENOISING_CACHE", str(tmp_path / "cache"))
    for name in ("CUDA_CACHE_PATH", "CUDA_CACHE_MAXSIZE"):
        monkeypatch.setenv(name, "to be put back")
        monkeypatch.delenv(name)
    return tmp_path / "cache" / "cuda"


@pytest.mark.parametrize("capability", [(10, 0), (12, 0), (5, 2)])
def test_a_card_without_code_is_refused_in_a_sentence(capability):
    number = "{}.{}".format(*capability)
    said = f"^RTX 9 has compute capability {number}, for which TensorFlow 2.19.1 has no code: .*6.0"
    with pytest.raises(RuntimeError, match=said + " to below 10.0. Name another card in CUDA_V"):
        check_card("RTX 9", capability)


@pytest.mark.parametrize("capability", [(6, 0), (6, 1), (7, 5), (8, 0), (8, 6), (8, 9)])
def test_cards_that_run_its_machine_code_start_at_once(capability, caplog):
    """A newer card of a generation runs the code for an older one."""
    check_card("a card", capability)
    assert caplog.messages == []


def test_a_compilation_at_the_first_start_is_said_once(caplog, cache):
    check_card("H100", (9, 0))
    assert caplog.messages == [
        "TensorFlow has no machine code for compute capability 9.0 (H100): the driver compiles it"
        f" now, at the first start, which can take minutes. It is kept in {cache}."
    ]
    cache.mkdir(parents=True)
    (cache / "kernels").touch()
    check_card("H100", (9, 0))
    assert len(caplog.messages) == 1


def test_the_build_is_the_one_that_was_read():
    """Where this fails, TensorFlow has changed: see which cards it has code for now."""
    named = tf.sysconfig.get_build_info()["cuda_compute_capabilities"]
    assert named == ["sm_60", "sm_70", "sm_80", "sm_89", "compute_90"]


def test_kernels_are_kept_where_the_user_says(monkeypatch, caplog, tmp_path):
    monkeypatch.setenv("CUDA_CACHE_PATH", str(tmp_path / "own"))
    check_card("H100", (9, 0))
    assert f"It is kept in {tmp_path / 'own'}." in caplog.text
    assert os.environ["CUDA_CACHE_MAXSIZE"] == str(4 * 2**30)


def test_the_cache_lies_with_those_of_the_user_unless_it_is_named(monkeypatch, tmp_path):
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("DENOISING_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "denoising"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "denoising"
