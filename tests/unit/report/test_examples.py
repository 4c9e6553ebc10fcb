"""Examples for figures: a few patches of each part."""

import numpy as np
import pandas as pd

from denoising.report.examples import example_patches


def test_examples_are_spread_evenly_over_each_part(tmp_path):
    parts = ["train"] * 17 + ["validation"] * 3
    split = pd.DataFrame({"patch": range(20), "part": parts})
    X = np.arange(20, dtype=np.float32).reshape(-1, 1, 1)
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "Y.npy", -X)
    found = example_patches(tmp_path, split, count=5)
    assert {name: list(array.ravel()) for name, array in found.items()} == {
        "train_X": [0, 4, 8, 12, 16], "validation_X": [17, 18, 19],
        "train_Y": [0, -4, -8, -12, -16], "validation_Y": [-17, -18, -19],
    }  # fmt: skip
