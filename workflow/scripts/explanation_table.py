"""From the 2019 study's numbers to the CARE paper's, step by step."""

from denoising.logs import open_log
from denoising.statistics import read_tidy
from denoising.tables import explanation_table, write_table

with open_log(snakemake.log[0]):
    study = snakemake.params.study
    table = explanation_table(read_tidy(snakemake.input.explanation), study)
    title = f"{study['title']}: why the numbers of the 2019 study and of the CARE paper differ"
    write_table(table, snakemake.output.csv, snakemake.output.markdown, title, study["note"])
