"""Scores by stratum of the test volumes, of the datasets that have strata."""

from denoising.evaluation.scores import KEYS, read_scores
from denoising.report.markdown import Page
from denoising.report.pages import write_table
from denoising.report.score_tables import (
    BETTER,
    MEAN,
    all_conditions,
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
    scores = read_scores(snakemake.input.scores)
    rows = our_means(scores, study, (*KEYS, "stratum"))
    rows = rows[rows["tested_on"].isin(rows.loc[rows["stratum"] != "", "tested_on"])]
    rows = rows.assign(stratum=rows["stratum"].replace("", "none"))
    rows = rows.sort_values("stratum", kind="stable")

    names = ["protocol", "tested_on", "stratum", "method", "n", "seeds"]
    table = in_order(wide(rows, names, all_conditions(study)), study)
    counts = rows.groupby("stratum")["n"].max()
    title = f"{study.title}: scores by stratum"
    page = Page(
        title,
        study.note,
        sections(table, study, shown=MEAN),
        [BETTER]
        + ssim_by_plane(scores, study)
        + legend(study, {name: int(count) for name, count in counts.items()}),
    )
    write_table(table, page, snakemake.output)
