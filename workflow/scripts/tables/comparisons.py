"""Paired differences between methods, over the same volumes.

The CSV holds all of `evaluation.comparisons`; the Markdown those against the best filter of each
test set, the base of a sweep, a model of another organism and, for ensembles, their model.
"""

from denoising.evaluation.comparisons import best_baseline, comparison_pairs
from denoising.evaluation.scores import paired_differences, read_tidy, references
from denoising.report.markdown import Page
from denoising.report.pages import write_table
from denoising.report.score_tables import (
    DIFFERENCE,
    all_conditions,
    in_order,
    legend,
    sections,
    ssim_by_plane,
    volume_counts,
    wide,
)
from denoising.running.logs import open_log

with open_log(snakemake.log[0], snakemake.input):
    study = snakemake.params.study
    scores = read_tidy(snakemake.input.scores)
    scores = scores[scores["protocol"].isin(study.protocols)]  # of images alone
    rows = paired_differences(scores, comparison_pairs(study), study.ensembles).assign(note="")
    rows = rows.replace({"reference": references(study)})
    names = ["protocol", "tested_on", "method", "reference", "n"]
    table = in_order(wide(rows, names, all_conditions(study)), study)

    labels = references(study)
    best = {name: labels.get(best_baseline(scores, name)) for name in study.tested_datasets}
    is_model = ~table["reference"].isin(labels.values())
    is_best_filter = table["reference"] == table["tested_on"].map(best)
    title = f"{study.title}: paired differences between methods"
    page = Page(
        title,
        study.note,
        sections(table[is_model | is_best_filter], study, shown=DIFFERENCE),
        [
            "Mean difference, method less reference, over the same test volumes; below 0 in NRMSE "
            "and above 0 in SSIM the method is better. References: the filter with the lowest mean "
            "NRMSE, and other models; the CSV holds every filter and the input. An interval that "
            "holds 0 leaves open which of the two is ahead; of many intervals, one in twenty "
            "misses by chance."
        ]
        + ssim_by_plane(scores, study)
        + legend(study, volume_counts(rows, study)),
    )
    write_table(table, page, snakemake.output)
