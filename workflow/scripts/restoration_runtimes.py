"""What restoring the test sets took, of every network and baseline."""

from denoising.report.tables import restoration_runtimes_table, write_table
from denoising.running.logs import open_log

with open_log(snakemake.log[0]):
    study = snakemake.params.study
    table = restoration_runtimes_table(snakemake.input.runtimes, study)
    title = f"{study['title']}: runtimes of restoration"
    write_table(table, snakemake.output.csv, snakemake.output.markdown, title, study["note"])
