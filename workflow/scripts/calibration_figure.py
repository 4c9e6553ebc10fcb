"""Draw the coverage and scale that networks predict for their error, against what it is."""

from denoising.evaluation.statistics import read_calibration
from denoising.report.figures import fig_calibration
from denoising.running.logs import open_log

with open_log(snakemake.log[0]):
    study = snakemake.params.study
    paths = dict(zip(map(tuple, snakemake.params.calibrated), snakemake.input, strict=True))
    fig_calibration(
        read_calibration(paths, study), study, snakemake.output.pdf, snakemake.output.png
    )
