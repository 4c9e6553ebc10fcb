"""Small studies and scores for tests of statistics, tables and figures."""

import runpy
from contextlib import nullcontext
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pandas as pd
import yaml
from scipy import stats

from denoising.study.config import resolve
from denoising.study.training import Training

ROOT = Path(__file__).parents[2]
SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
CONFIG = """
title: A study
note: A note.
datasets:
  planaria:
    published: planaria
    archive: {path: planaria.tar.gz}
    conditions:
      - {name: "1", source: a, exposure: 0.03}
      - {name: "2", source: b, exposure: 0.02}
      - {name: "3", source: c, exposure: 0.01}
    patches: {shape: [8, 16, 16]}
  tribolium:
    published: tribolium
    archive: {path: tribolium.tar.gz}
    conditions:
      - {name: "3", source: a, exposure: 0.1}
      - {name: "2", source: b, exposure: 0.01}
      - {name: "1", source: c, exposure: 0.001}
    patches: {shape: [8, 16, 16]}
training: {epochs: 20, steps_per_epoch: 64, batch_size: 4}
"""


def study_of(studies, **changes):
    """The study with these entries of `studies` and other changed keys of the config."""
    config = yaml.safe_load(CONFIG) | {"studies": studies} | changes
    return resolve(config, deepcopy(SCHEMA))


def training_settings(**changes):
    """Settings of a training on planaria: the schema's defaults, and changes."""
    properties = SCHEMA["properties"]["training"]["properties"]
    settings = {name: key["default"] for name, key in properties.items() if name != "seeds"}
    return Training(**settings | {"trained_on": "planaria"} | changes)


# Of a learning rate that falls on plateaus
PLATEAU_SETTINGS = training_settings(
    schedule="plateau",
    learning_rate=0.0004,
    epochs=40,
    plateau_factor=0.3,
    plateau_patience=2,
    plateau_min_delta=0,
    early_stopping_patience=None,
)


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


def run_table(script, study, folder, table="a_table", **inputs):
    """Run a table's script on these files, and read its CSV (names as text) and its Markdown."""
    csv, markdown = folder / f"{table}.csv", folder / f"{table}.md"
    job = SimpleNamespace(
        input=SimpleNamespace(**inputs),
        output=SimpleNamespace(csv=csv, markdown=markdown, html=csv.with_suffix(".html")),
        params=SimpleNamespace(study=study),
        wildcards=SimpleNamespace(table=table),
        log=[folder / "log"],
    )
    path = ROOT / f"workflow/scripts/tables/{script}.py"
    with mock.patch("denoising.running.logs.open_log", lambda *_: nullcontext()):
        runpy.run_path(str(path), init_globals={"snakemake": job})
    text = dict.fromkeys(("condition", "note", "reference", "steps"), str)
    written = pd.read_csv(csv, dtype=text, keep_default_na=True)
    return written.fillna(dict.fromkeys(text, "")), markdown.read_text(encoding="utf-8")


def run_figure(script, study, folder, name="a_figure", **inputs):
    """Run a figure's script on these files; the figure, and the files that it has written."""
    output = SimpleNamespace(
        pdf=folder / f"{name}.pdf", png=folder / f"{name}.png", caption=folder / f"{name}.txt"
    )
    job = SimpleNamespace(
        input=SimpleNamespace(**inputs),
        output=output,
        params=SimpleNamespace(study=study, title="A title", caption="A caption."),
        wildcards=SimpleNamespace(figure=name),
        log=[folder / "log"],
    )
    path = ROOT / f"workflow/scripts/figures/{script}.py"
    with mock.patch("denoising.running.logs.open_log", lambda *_: nullcontext()):
        names = runpy.run_path(str(path), init_globals={"snakemake": job})
    return names["figure"] if "figure" in names else names["grid"].figure, output
