"""The time that restoring every test set took, of networks and baselines."""

from denoising.evaluation.runtimes import restoration_runtimes
from denoising.evaluation.scores import references
from denoising.report.markdown import Page, Section, duration
from denoising.report.pages import write_table
from denoising.report.score_tables import in_order, whole
from denoising.running.logs import open_log

with open_log(snakemake.log[0], snakemake.input):
    study = snakemake.params.study
    table = restoration_runtimes(snakemake.input.runtimes, study)
    table = whole(in_order(table.replace({"method": references(study)}), study))
    title = f"{study.title}: runtimes of restoration"
    cells = table.assign(
        seconds=table["seconds"].map(duration),
        seconds_per_million_voxels=table["seconds_per_million_voxels"].map(duration),
    )
    page = Page(
        title,
        study.note,
        [Section(cells)],
        [
            "Reading and writing count. Strengths are tuned in voxels, or in standard deviations "
            "of the noise."
        ],
    )
    write_table(table, page, snakemake.output)
