"""What every model was trained with."""

from denoising.evaluation.statistics import read_tidy
from denoising.report.tables import hyperparameters_table, write_table
from denoising.running.logs import open_log

with open_log(snakemake.log[0]):
    study = snakemake.params.study
    table = hyperparameters_table(study, read_tidy(snakemake.input.published))
    title = f"{study['title']}: hyperparameters"
    write_table(table, snakemake.output.csv, snakemake.output.markdown, title, study["note"])
