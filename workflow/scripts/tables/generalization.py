"""Every model on every test set, with the differences that the 2019 study quotes."""

import pandas as pd

from denoising.evaluation.comparisons import scored_models
from denoising.evaluation.published import published_scores
from denoising.evaluation.scores import read_scores, read_tidy
from denoising.report.markdown import Page
from denoising.report.pages import write_table
from denoising.report.score_tables import (
    BEST,
    BETTER,
    NETWORKS,
    PUBLISHED_SPREAD,
    SETTINGS,
    all_conditions,
    in_order,
    legend,
    our_means,
    sections,
    ssim_by_plane,
    volume_counts,
    wide,
    with_reference,
)
from denoising.running.logs import open_log

with open_log(snakemake.log[0], snakemake.input):
    study = snakemake.params.study
    published = read_tidy(snakemake.input.published)
    scores = read_scores(snakemake.input.scores)
    methods = study.with_ensembles(scored_models(scores, study))
    ours = our_means(scores, study)
    published_rows = [published_scores(published, study, dataset) for dataset in study.datasets]
    rows = pd.concat([ours, *published_rows])
    rows = with_reference(rows[rows["method"].isin(methods)], methods, study)

    names = ["protocol", "tested_on", "method", "trained_on", "source", *SETTINGS, "reference"]
    table = in_order(wide(rows, names, all_conditions(study)), study, published)
    title = f"{study.title}: generalization between organisms"
    page = Page(
        title,
        study.note,
        sections(table, study),
        [
            BETTER,
            BEST,
            NETWORKS,
            PUBLISHED_SPREAD if study.published_datasets else "",
            "In square brackets: difference from the reference, the network that was trained on "
            "the tested organism with as many epochs, in percent of it.",
        ]
        + ssim_by_plane(scores, study)
        + legend(study, volume_counts(ours, study)),
    )
    write_table(table, page, snakemake.output)
