"""Draw figure 1: training and validation patches."""

from denoising.report.figures import fig_patches
from denoising.running.logs import open_log

with open_log(snakemake.log[0]):
    examples = dict(zip(snakemake.params.datasets, snakemake.input, strict=True))
    fig_patches(examples, snakemake.params.study, snakemake.output.pdf, snakemake.output.png)
