"""Paired differences between methods, over the same volumes."""

from denoising.evaluation.statistics import read_tidy
from denoising.report.tables import comparisons_table, write_table
from denoising.running.logs import open_log

with open_log(snakemake.log[0]):
    study = snakemake.params.study
    table = comparisons_table(read_tidy(snakemake.input.scores), study)
    title = f"{study['title']}: paired differences between methods"
    write_table(table, snakemake.output.csv, snakemake.output.markdown, title, study["note"])
