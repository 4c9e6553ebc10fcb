"""Resolution of restorations, and the details that they keep: every method on every test set."""

from denoising.evaluation.scores import read_scores
from denoising.report.markdown import Page, Section
from denoising.report.pages import write_table
from denoising.report.score_tables import (
    MEAN,
    all_conditions,
    condition_cells,
    in_order,
    legend,
    our_means,
    volume_counts,
    wide,
)
from denoising.running.logs import open_log
from denoising.study.metrics import RESOLUTION_METRICS


def condition_section(dataset, condition):
    """The methods on one test set in one condition."""
    cells = condition_cells(rows, study, (dataset.name, condition), RESOLUTION_METRICS, MEAN)
    label = dataset.condition_label(condition)
    return Section(cells, f"Test volumes of {dataset.label}, {label}, in {units[dataset.name]}")


with open_log(snakemake.log[0], snakemake.input):
    study = snakemake.params.study
    datasets = [study.datasets[name] for name in study.tested_datasets]
    units = {
        dataset.name: "micrometres" if dataset.voxel_size else "voxels" for dataset in datasets
    }
    rows = our_means(read_scores(snakemake.input.scores), study)
    rows = rows.assign(unit=rows["tested_on"].map(units))

    names = ["tested_on", "unit", "method", "n", "seeds"]
    table = in_order(wide(rows, names, all_conditions(study), RESOLUTION_METRICS), study)
    title = f"{study.title}: resolution"
    page = Page(
        title,
        study.note,
        [
            condition_section(dataset, condition)
            for dataset in datasets
            for condition in dataset.condition_names
        ],
        [
            "Periods of details; lower is finer. Resolution: where the Fourier ring correlation "
            "with the ground truth falls below 1/7, so finer details are not the truth's. A blur "
            "does not change it: a Gaussian filter has the resolution of its input (nearly so in "
            "Z, if sections are few).",
            "Half transfer: where the amplitude of the truth's details falls to half of that of "
            "all details. A blur shows here; noise does not, so the input keeps most.",
            "A curve that never falls gives two voxels, the finest period that voxels can hold.",
        ]
        + legend(study, volume_counts(rows, study)),
    )
    write_table(table, page, snakemake.output)
