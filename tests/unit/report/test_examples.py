"""Examples for figures: a few patches of each part, and the strongest of the tuned baselines."""

import json

import numpy as np
import pandas as pd

from denoising.report.examples import example_patches, strength_label, strongest


def test_examples_are_spread_evenly_over_each_part(tmp_path):
    parts = ["train"] * 17 + ["validation"] * 3
    split = pd.DataFrame({"patch": range(20), "part": parts})
    labels = pd.DataFrame({"patch": range(20), "condition": ["1"] * 17 + ["2"] * 3})
    X = np.arange(20, dtype=np.float32).reshape(-1, 1, 1)
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "Y.npy", -X)
    found = example_patches(tmp_path, split, labels, count=5)
    assert {name: list(array.ravel()) for name, array in found.items()} == {
        "train_X": [0, 4, 8, 12, 16], "validation_X": [17, 18, 19],
        "train_Y": [0, -4, -8, -12, -16], "validation_Y": [-17, -18, -19],
        "train_condition": ["1"] * 5, "validation_condition": ["2"] * 3,
    }  # fmt: skip


def test_the_strongest_baseline_has_the_lowest_error_on_the_training_patches(tmp_path):
    for name, strength, unit, nrmse in (("nlm", 0.8, "noise", 0.07), ("tv", 2.0, "noise", 0.05)):
        choice = {"baseline": name, "strength": strength, "unit": unit, "nrmse": nrmse}
        (tmp_path / f"{name}.json").write_text(json.dumps(choice))
    best = strongest(sorted(tmp_path.glob("*.json")))
    assert strength_label(best) == "total variation, strength 2 (noise)"
    assert strongest([]) is None
