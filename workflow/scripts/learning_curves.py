"""Draw the learning curves of every run."""

from denoising.report.figures import fig_learning_curves
from denoising.running.logs import open_log

with open_log(snakemake.log[0]):
    study = snakemake.params.study
    histories = dict(zip(study["runs"], snakemake.input, strict=True))
    fig_learning_curves(histories, study, snakemake.output.pdf, snakemake.output.png)
