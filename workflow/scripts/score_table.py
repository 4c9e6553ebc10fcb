"""Scores on one test set beside the published ones."""

from denoising.evaluation.statistics import read_scores, read_tidy
from denoising.report.tables import replication_table, write_table
from denoising.running.logs import open_log

with open_log(snakemake.log[0]):
    study, dataset = snakemake.params.study, snakemake.params.dataset
    scores, published = read_scores(snakemake.input.scores), read_tidy(snakemake.input.published)
    table = replication_table(scores, study, published, dataset)
    title = f"{study['title']}: scores on {study['datasets'][dataset]['label']}"
    write_table(table, snakemake.output.csv, snakemake.output.markdown, title, study["note"])
