"""Networks beside input and filters: a sentence per model and test set, which end the console."""

from denoising.evaluation.scores import read_tidy
from denoising.evaluation.verdicts import (
    READING,
    held_out,
    sentences,
    verdicts,
)
from denoising.images.pairs import held_out_files
from denoising.report.markdown import Page, Section
from denoising.report.pages import write_table
from denoising.report.score_tables import ssim_by_plane, verdict_cells
from denoising.running.logs import open_log
from denoising.study.names import TWO_TRAININGS

with open_log(snakemake.log[0], snakemake.input):
    study = snakemake.params.study
    scores = read_tidy(snakemake.input.scores)
    table = verdicts(scores, study)
    tests = study.tested_datasets
    said = held_out(scores, study, tests, held_out_files(snakemake.input.records))
    said += sentences(table, tests)

    legend = [
        READING,
        f"Protocol {study.protocols[0]}. Lead: over the best filter in NRMSE, with its 95 % "
        "interval (Student's t) over test volumes.",
        *ssim_by_plane(scores, study),
        TWO_TRAININGS if study.trains_once else "",
    ]
    title = f"{study.title}: networks beside input and filters"
    page = Page(title, study.note, [Section(verdict_cells(table, study))], legend, said)
    write_table(table, page, snakemake.output)
