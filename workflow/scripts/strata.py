"""Scores by stratum of the test volumes."""

from denoising.evaluation.statistics import read_scores
from denoising.report.tables import strata_table, write_table
from denoising.running.logs import open_log

with open_log(snakemake.log[0]):
    study = snakemake.params.study
    table = strata_table(read_scores(snakemake.input.scores), study)
    title = f"{study['title']}: scores by stratum"
    write_table(table, snakemake.output.csv, snakemake.output.markdown, title, study["note"])
