"""What every model was trained with."""

from denoising.logs import open_log
from denoising.statistics import read_tidy
from denoising.tables import hyperparameters_table, write_table

with open_log(snakemake.log[0]):
    study = snakemake.params.study
    table = hyperparameters_table(study, read_tidy(snakemake.input.published))
    title = f"{study['title']}: hyperparameters"
    write_table(table, snakemake.output.csv, snakemake.output.markdown, title, study["note"])
