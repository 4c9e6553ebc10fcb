"""Every model on every test set, with the differences that the 2019 study quotes."""

from denoising.evaluation.statistics import read_scores, read_tidy
from denoising.report.tables import generalization_table, write_table
from denoising.running.logs import open_log

with open_log(snakemake.log[0]):
    study = snakemake.params.study
    scores, published = read_scores(snakemake.input.scores), read_tidy(snakemake.input.published)
    table = generalization_table(scores, study, published)
    title = f"{study['title']}: generalization between organisms"
    write_table(table, snakemake.output.csv, snakemake.output.markdown, title, study["note"])
