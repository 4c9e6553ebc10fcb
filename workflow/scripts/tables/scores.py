"""Scores on one test set beside the published ones: input, baselines, models and ensembles."""

import pandas as pd

from denoising.evaluation.published import published_scores
from denoising.evaluation.scores import read_scores, read_tidy
from denoising.evaluation.verdicts import READING, held_out, sentences, verdicts
from denoising.images.pairs import held_out_files
from denoising.report.markdown import Page
from denoising.report.pages import write_table
from denoising.report.score_tables import (
    BEST,
    BETTER,
    NETWORKS,
    PUBLISHED_SPREAD,
    SETTINGS,
    in_order,
    legend,
    our_means,
    sections,
    ssim_by_plane,
    wide,
)
from denoising.running.logs import open_log

with open_log(snakemake.log[0], snakemake.input):
    study = snakemake.params.study
    table_name = snakemake.wildcards.table
    dataset = next(entry for entry in study.datasets.values() if entry.table == table_name)
    published = read_tidy(snakemake.input.published)
    scores = read_scores(snakemake.input.scores)
    ours = our_means(scores, study)
    ours = ours[ours["tested_on"] == dataset.name]
    published_rows = published_scores(published, study, dataset.name)
    # A published model of a sweep stands here only if the study has that model
    is_shown = published_rows["method"].isin([*ours["method"], *study.models])
    rows = pd.concat([ours, published_rows[is_shown | (published_rows["study"] == "replication")]])

    names = ["protocol", "method", "source", *SETTINGS, "n", "seeds"]
    table = in_order(wide(rows, names, dataset.condition_names), study, published)
    title = f"{study.title}: scores on {dataset.label}"
    spread = PUBLISHED_SPREAD if dataset.published else ""
    volumes = {dataset.label: int(ours["n"].max())}
    files = held_out_files(snakemake.input.records)
    page = Page(
        title,
        study.note,
        sections(table, study, tested_on=dataset.name),
        [BETTER, BEST, NETWORKS, spread]
        + ssim_by_plane(scores[scores["tested_on"] == dataset.name], study)
        + legend(study, volumes)
        + [READING],
        held_out(scores, study, [dataset.name], files)
        + sentences(verdicts(scores, study), [dataset.name]),
    )
    write_table(table, page, snakemake.output)
