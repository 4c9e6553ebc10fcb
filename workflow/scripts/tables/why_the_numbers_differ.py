"""From the 2019 study's numbers to the CARE paper's, one change of the protocol per step.

Beside these steps stands what ZeroCostDL4Mic and UniFMIR would print for the same images.
"""

import pandas as pd

from denoising.evaluation.ladder_summary import explanation_means
from denoising.evaluation.scores import method_of, read_tidy
from denoising.report.markdown import Page, Section
from denoising.report.pages import write_table
from denoising.report.score_tables import (
    CHANGE,
    MEAN,
    all_conditions,
    for_reader,
    in_order,
    legend,
    volume_counts,
    wide,
)
from denoising.running.logs import open_log
from denoising.study.metrics import METRICS, TABULATED

with open_log(snakemake.log[0], snakemake.input):
    study = snakemake.params.study
    rows = explanation_means(read_tidy(snakemake.input.explanation))
    rows = rows.assign(method=method_of(rows), note="")
    names = ["tested_on", "method", "step", "label", "n"]
    table = in_order(wide(rows, names, all_conditions(study)), study)

    parts = []
    for tested_on, block in table.groupby("tested_on", sort=False):
        dataset = study.datasets[tested_on]
        for metric in TABULATED:
            means = for_reader(block, dataset, [metric], MEAN).drop(columns="note")
            changes = for_reader(block, dataset, [metric], CHANGE).iloc[:, len(names) - 2 : -1]
            changes = changes.rename(columns=lambda name: f"change, {name.split(', ')[-1]}")
            label = METRICS[metric].label
            cells = pd.concat([means, changes], axis=1)
            cells = cells[means.iloc[:, len(names) - 2 :].ne("").any(axis=1)]
            if len(cells):
                parts.append(Section(cells, f"{label} on test volumes of {dataset.label}"))
    title = f"{study.title}: why the numbers of the 2019 study and of the CARE paper differ"
    page = Page(
        title,
        study.note,
        parts,
        [
            "Means over test volumes after each step, and the change from the step before. Numbers "
            "as other programs print them are no step: their change is from the CARE paper's "
            "protocol. "
            "ZeroCostDL4Mic prints the root of the mean absolute error as NRMSE; UniFMIR prints "
            "no NRMSE. If a test stack has fewer than 7 planes, SSIM is that of planes."
        ]
        + legend(study, volume_counts(rows, study), over_trainings=False),
    )
    write_table(table, page, snakemake.output)
