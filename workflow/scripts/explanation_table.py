"""From the 2019 study's numbers to the CARE paper's, step by step."""

from denoising.evaluation.statistics import read_tidy
from denoising.report.tables import explanation_table, write_table
from denoising.running.logs import open_log

with open_log(snakemake.log[0]):
    study = snakemake.params.study
    table = explanation_table(read_tidy(snakemake.input.explanation), study)
    title = f"{study['title']}: why the numbers of the 2019 study and of the CARE paper differ"
    write_table(table, snakemake.output.csv, snakemake.output.markdown, title, study["note"])
