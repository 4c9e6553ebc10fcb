"""Runtimes beside the published ones, and what they say of the paper's."""

from denoising.evaluation.statistics import of_study, read_tidy
from denoising.report.tables import runtime_lines_table, runtimes_table, write_table
from denoising.running.logs import open_log

with open_log(snakemake.log[0]):
    study = snakemake.params.study
    published = of_study(read_tidy(snakemake.input.published), study)
    histories = dict(zip(study["runs"], snakemake.input.histories, strict=True))
    table = runtimes_table(histories, study, published)
    title = f"{study['title']}: runtimes"
    write_table(table, snakemake.output.csv, snakemake.output.markdown, title, study["note"])
    lines = runtime_lines_table(histories, study, published)
    title = f"{study['title']}: runtime against steps per epoch"
    write_table(
        lines, snakemake.output.lines_csv, snakemake.output.lines_markdown, title, study["note"]
    )
