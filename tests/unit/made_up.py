"""Small studies and scores for tests of statistics, tables and figures."""

from copy import deepcopy
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from scipy import stats

from denoising.study.config import resolve

ROOT = Path(__file__).parents[2]
SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
CONFIG = """
title: A study
note: A note.
datasets:
  planaria:
    published: planaria
    archive: {path: planaria.tar.gz}
    conditions: [{name: "1", source: a}, {name: "2", source: b}, {name: "3", source: c}]
    patches: {shape: [8, 16, 16]}
  tribolium:
    published: tribolium
    archive: {path: tribolium.tar.gz}
    conditions: [{name: "3", source: a}, {name: "2", source: b}, {name: "1", source: c}]
    patches: {shape: [8, 16, 16]}
training: {epochs: 20, steps_per_epoch: 64, batch_size: 4}
"""


def study_of(studies, **changes):
    """The study with these entries of `studies` and other changed keys of the config."""
    config = yaml.safe_load(CONFIG) | {"studies": studies} | changes
    return resolve(config, deepcopy(SCHEMA))


def scores_of(values, seed="0", model="planaria", **changes):
    """Scores of one model, one value per volume."""
    row = {
        "model": model,
        "seed": seed,
        "trained_on": "planaria",
        "tested_on": "planaria",
        "condition": "1",
        "stratum": "",
        "output": "network",
        "protocol": "paper",
        "metric": "nrmse",
    } | changes
    return pd.DataFrame(
        [{**row, "volume": f"v{i}", "value": value} for i, value in enumerate(values)]
    )


def students(values):
    """How far Student's interval of a mean reaches to both sides."""
    return stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5
