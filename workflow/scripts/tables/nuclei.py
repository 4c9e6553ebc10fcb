"""Nuclei found, missed and invented, and their intensities: every method on every test set."""

from denoising.evaluation.scores import read_scores
from denoising.report.markdown import Page, Section
from denoising.report.pages import write_table
from denoising.report.score_tables import (
    BEST,
    MEAN_AND_BEST,
    all_conditions,
    condition_cells,
    in_order,
    legend,
    our_means,
    volume_counts,
    wide,
)
from denoising.running.logs import open_log
from denoising.study.metrics import OBJECT_METRICS

SIMULATED = "simulated"
FOUND = "found in the ground truth"
HOW_TRUE = {
    SIMULATED: "True nuclei are those that were simulated.",
    FOUND: "True nuclei are those found in the ground truth: nobody knows those that it hides.",
}


def condition_section(dataset, condition):
    """The methods on one test set in one condition."""
    place = (dataset.name, condition)
    cells = condition_cells(rows, study, place, OBJECT_METRICS, MEAN_AND_BEST)
    title = f"Test volumes of {dataset.label}, {dataset.condition_label(condition)}"
    return Section(cells, title, HOW_TRUE[truths[dataset.name]])


with open_log(snakemake.log[0], snakemake.input):
    study = snakemake.params.study
    datasets = [study.datasets[name] for name in study.datasets_with_nuclei]
    truths = {dataset.name: SIMULATED if dataset.is_simulated else FOUND for dataset in datasets}
    rows = our_means(read_scores(snakemake.input.scores), study)
    rows = rows.assign(truth=rows["tested_on"].map(truths))

    names = ["tested_on", "truth", "method", "n", "seeds"]
    table = in_order(wide(rows, names, all_conditions(study), OBJECT_METRICS), study)
    title = f"{study.title}: nuclei"
    page = Page(
        title,
        study.note,
        [
            condition_section(dataset, condition)
            for dataset in datasets
            for condition in dataset.condition_names
        ],
        [
            "Recall: share of the true nuclei that are found. Precision: share of the found nuclei "
            "that are true. Error of the count: found less true, as a share of the true. Error and "
            "correlation of intensity: against the ground truth's, over nuclei.",
            BEST,
        ]
        + legend(study, volume_counts(rows, study)),
    )
    write_table(table, page, snakemake.output)
