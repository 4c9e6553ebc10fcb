"""How well the networks know their error, on every test set."""

from denoising.evaluation.calibration_summary import calibration_scores, read_calibration
from denoising.evaluation.scores import KEYS
from denoising.report.markdown import Page
from denoising.report.pages import write_table
from denoising.report.score_tables import (
    BEST,
    all_conditions,
    in_order,
    legend,
    our_means,
    sections,
    volume_counts,
    wide,
)
from denoising.running.logs import open_log
from denoising.study.metrics import CALIBRATION_METRICS

with open_log(snakemake.log[0], snakemake.input):
    study = snakemake.params.study
    paths = dict(zip(study.calibrated, snakemake.input.calibration, strict=True))
    rows = calibration_scores(read_calibration(paths, study))
    rows = our_means(rows, study, [*KEYS, "intervals"])
    names = ["tested_on", "method", "trained_on", "intervals", "n", "seeds"]
    table = in_order(wide(rows, names, all_conditions(study), CALIBRATION_METRICS), study)
    title = f"{study.title}: calibration"
    page = Page(
        title,
        study.note,
        sections(table, study, CALIBRATION_METRICS),
        [
            "Mean over test volumes. ECE: expected calibration error, the mean of |observed - "
            "nominal| coverage over nominal coverages; 0 is best. Inside 95 %: share of true "
            "values in that interval. Error / scale: mean absolute error by mean predicted error, "
            "1 where the prediction is right and more where it is too sure of itself.",
            "Intervals: predicted, of the Laplace law that a network predicts, or of the mixture "
            "that an ensemble does; rescaled, by split-conformal factors from validation patches.",
            BEST,
        ]
        + legend(study, volume_counts(rows, study)),
    )
    write_table(table, page, snakemake.output)
