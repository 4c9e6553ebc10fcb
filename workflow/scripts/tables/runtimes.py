"""Training time of every run, ours and published, and the speed, memory and energy of ours."""

import logging

import pandas as pd

from denoising.evaluation.published import published_runtimes
from denoising.evaluation.runtimes import (
    EXECUTION,
    MEASURED,
    mixed_sweeps,
    our_runtimes,
    read_executions,
)
from denoising.evaluation.scores import read_tidy
from denoising.report.markdown import Page, Section, duration
from denoising.report.pages import write_table
from denoising.report.score_tables import SETTINGS, whole
from denoising.running.logs import open_log

log = logging.getLogger("progress")  # it writes to the console too

with open_log(snakemake.log[0], snakemake.input):
    study = snakemake.params.study
    published = published_runtimes(read_tidy(snakemake.input.published), study)
    histories = dict(zip(study.trainings, snakemake.input.histories, strict=True))
    executions = read_executions(dict(zip(study.trainings, snakemake.input.trainings, strict=True)))
    ours = our_runtimes(histories, study).join(executions.reset_index(drop=True))
    mixed = mixed_sweeps(executions, study)
    for sentence in mixed:
        log.warning(sentence)
    table = pd.concat([ours, published])
    order = list(dict.fromkeys([*study.models, *published["model"]]))
    table = table.sort_values("model", key=lambda names: names.map(order.index), kind="stable")
    names = ["model", "seed", "source", "trained_on", *SETTINGS, "hours", "seconds_per_epoch"]
    table = whole(table[[*names, *MEASURED, *EXECUTION, "note"]].reset_index(drop=True))

    cells = table.assign(
        hours=(table["hours"] * 3600).map(duration),
        seconds_per_epoch=table["seconds_per_epoch"].map(duration),
    )
    title = f"{study.title}: runtimes"
    page = Page(
        title,
        study.note,
        [Section(cells)],
        [
            *mixed,
            "Time per epoch: median over epochs. Share of matmul rate: arithmetic per second, by "
            "that of one large matrix product on the same device.",
            "Published times are those of other machines, per epoch as hours by epochs."
            if len(published)
            else "",
        ],
    )
    write_table(table, page, snakemake.output)
