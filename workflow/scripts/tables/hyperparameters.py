"""The settings that every model was trained with, beside the published ones, and its patches."""

import pandas as pd

from denoising.evaluation.scores import read_tidy
from denoising.report.markdown import Page, Section, heading, in_brackets, plain
from denoising.report.pages import write_table
from denoising.report.score_tables import SETTINGS
from denoising.running.logs import open_log
from denoising.study.networks import ARCHITECTURE, COURSE

# CARE paper, supplementary table 3; 2019 study, section 4.3; csbdeep's defaults. The same for all.
PUBLISHED = {
    "learning_rate": 4e-4,
    "warmup_steps": 0,
    "schedule": "plateau",
    "plateau_factor": 0.5,
    "plateau_patience": 10,
    "plateau_min_delta": 0,
    "width": 32,
    "depth": 2,
    "kernel": 3,
    "residual": True,
    "probabilistic": True,
    "last_activation": "linear",
    "initial_weights": "csbdeep",
    "loss": "laplace",
    "scale_weight": 0,
    "restarts": 0,
    "split": "tail",
}
# Settings that studies vary or scale to their size stand first
FIRST = ("trained_on", *SETTINGS, "samples", "seeds", "learning_rate", "width", "plateau_patience")

with open_log(snakemake.log[0], snakemake.input):
    study = snakemake.params.study
    published = read_tidy(snakemake.input.published)
    published = published[published["source"].str.startswith("2019")].drop_duplicates("model")
    published = published.set_index("model")[list(SETTINGS)]

    rows = []
    for model in study.models.values():
        settings = vars(model.training) | {
            "samples": model.training.patches_seen,
            "seeds": ", ".join(map(str, model.seeds)),
        }
        if model.pretrained:
            told = {name: settings[name] for name in (*ARCHITECTURE, *COURSE, "loss")}
            settings = dict.fromkeys(settings) | told | {"trained_on": model.trained_on}
        is_published = model.name in published.index
        published_settings = PUBLISHED | dict(published.loc[model.name]) if is_published else {}
        row = {"model": model.name}
        for key in sorted(settings, key=lambda key: FIRST.index(key) if key in FIRST else 99):
            row[key] = settings[key]
            if key in (*PUBLISHED, *SETTINGS):
                row[f"{key}_published"] = published_settings.get(key)
        rows.append(row)
    table = pd.DataFrame(rows).convert_dtypes()

    names = [name for name in table if not name.endswith("_published")]
    cells = pd.DataFrame(
        {
            name: in_brackets(table[name], table[f"{name}_published"])
            if f"{name}_published" in table
            else table[name].map(plain)
            for name in names
        }
    )
    constant = [name for name in names if cells[name].nunique() == 1 and len(cells) > 1]
    shared = [f"{heading(name)} {cells[name].iloc[0]}" for name in constant]
    shared = [text for text in shared if not text.endswith(" ")]
    title = f"{study.title}: hyperparameters"
    page = Page(
        title,
        study.note,
        [Section(cells.drop(columns=constant))],
        [
            "In brackets: the published value, where it differs."
            if study.published_datasets
            else "",
            f"The same for all models: {', '.join(shared)}." if shared else "",
        ],
    )
    write_table(table, page, snakemake.output)
