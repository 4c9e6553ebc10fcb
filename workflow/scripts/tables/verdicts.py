"""Networks beside input and filters: a sentence per model and test set, which end the console."""

from denoising.evaluation.scores import read_tidy, references
from denoising.evaluation.verdicts import READING, held_out, sentences, verdicts
from denoising.images.pairs import held_out_files
from denoising.report.markdown import Page, Section, write_csv, write_markdown
from denoising.report.score_tables import ssim_by_plane
from denoising.running.logs import open_log
from denoising.study.names import TWO_TRAININGS

with open_log(snakemake.log[0]):
    study = snakemake.params.study
    scores = read_tidy(snakemake.input.scores)
    table = verdicts(scores, study)
    tests = study.tested_datasets
    said = held_out(scores, study, tests, held_out_files(snakemake.input.records))
    said += sentences(table, tests)

    cells = table.drop(columns=["finding", "sentence"])
    cells = cells.assign(
        tested_on=table["tested_on"].map(lambda name: study.datasets[name].label),
        best_filter=table["best_filter"].map(references(study)).fillna(""),
    )
    legend = [
        READING,
        f"Protocol {study.protocols[0]}. Lead: over the best filter in NRMSE, with its 95 % "
        "interval (Student's t) over test volumes.",
        *ssim_by_plane(scores, study),
        TWO_TRAININGS if study.trains_once else "",
    ]
    title = f"{study.title}: networks beside input and filters"
    page = Page(title, study.note, [Section(cells)], legend, said)
    write_csv(table, snakemake.output.csv, title)
    write_markdown(page, snakemake.output.markdown)
