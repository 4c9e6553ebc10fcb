"""Means at every step from one protocol to another."""

import numpy as np
import pandas as pd
import pytest
from made_up import students

from denoising.evaluation.ladder_summary import explanation_means
from denoising.evaluation.protocol_ladder import LABELS, PAPER_STEP, PRINTED


def test_every_step_has_its_change():
    rows = [
        {
            "dataset": "d",
            "model": "one",
            "condition": "1",
            "volume": f"v{i}",
            "output": output,
            "step": step,
        }
        | {"label": f"step {step}", "metric": "nrmse", "value": value * (i + 1)}
        for output, values in (("input", (0.2, 0.1)), ("network", (0.04, 0.04)))
        for step, value in enumerate(values, start=1)
        for i in range(3)
    ]
    table = explanation_means(pd.DataFrame(rows)).set_index(["output", "step"])
    assert table.loc[("input", 2), "change"] == pytest.approx(-0.2)
    assert table.loc[("network", 2), "change"] == pytest.approx(0)
    assert np.isnan(
        table.loc[("input", 1), ["change", "change_low", "change_high"]].astype(float)
    ).all()
    low, high = table.loc[("input", 2), ["change_low", "change_high"]]
    assert low < -0.2 < high
    assert high - low == pytest.approx(2 * students([-0.1, -0.2, -0.3]))  # of the volumes' changes
    assert table.loc[("network", 2), ["change_low", "change_high"]].tolist() == pytest.approx(
        [0, 0]
    )
    assert table.loc[("input", 1), ["mean", "n"]].tolist() == pytest.approx([0.4, 3])
    odd = pd.DataFrame(rows).query("step == 1 or volume == 'v0'")
    with pytest.raises(ValueError, match="'step': 2.*only one of the two has .'v1'"):
        explanation_means(odd)


def test_what_other_programs_print_is_compared_with_the_papers_protocol():
    rows = [
        {"dataset": "d", "model": "one", "condition": "1", "volume": f"v{i}", "output": "input"}
        | {"step": step, "label": label, "metric": "psnr", "value": 10 * step + i}
        for step, label in enumerate(LABELS)
        for i in range(3)
        if step >= PAPER_STEP
    ]
    table = explanation_means(pd.DataFrame(rows)).set_index("label")
    assert np.isnan(table.loc[LABELS[PAPER_STEP], "change"])
    assert table.loc[list(PRINTED), "change"].tolist() == pytest.approx([10, 20])
