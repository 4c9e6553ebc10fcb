"""A GPU vanishes under a training, its memory is used up, or there is none where one is asked for.

There is no GPU here: the errors are TensorFlow's, raised when the training writes a checkpoint.
Reservation of devices is in tests/unit/running/test_devices.py.
"""

import re

import pytest
from conftest import last_words

TRAINED = "results/models/care-seed1/training.json"
WORDS = {
    "device": r"CUDA_ERROR_DEVICE_UNAVAILABLE.*: the GPU fails or is gone; see nvidia-smi",
    "device-memory": r"OOM when allocating.*: the memory is used up; .*batch_size",
}


@pytest.mark.parametrize("fault", WORDS)
def test_a_training_whose_device_fails_says_so_and_goes_on_later(finished, fault):
    (finished.root / TRAINED).unlink()
    for path in (finished.root / "results/checkpoints/care-seed1").rglob("finished.json"):
        path.unlink()
    finished.suffer(f"{fault}@checkpoint", "train")
    done = finished.go(TRAINED)
    assert done.returncode
    assert re.search(WORDS[fault], last_words(done)), done.said
    assert "Traceback" not in done.said
    finished.suffer("")
    again = finished.go(TRAINED, check=True)
    assert "care-seed1: continuing from epoch-00001" in again.said
    finished.recovers()


def test_a_gpu_that_is_asked_for_where_there_is_none_is_said(finished):
    (finished.root / TRAINED).unlink()
    config = finished.config.read_text().replace("seed: 3", "seed: 3\ndevice: gpu", 1)
    original, finished.config = finished.config, finished.root / "gpu.yaml"
    finished.config.write_text(config)
    done = finished.go(TRAINED)
    assert done.returncode
    assert re.search(r"device: gpu, but TensorFlow sees no GPU", last_words(done)), done.said
    finished.config = original
    finished.recovers()
