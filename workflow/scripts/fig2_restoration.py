"""Draw figure 2: one section of a test volume, restored."""

from denoising.report.figures import fig_restoration
from denoising.running.logs import open_log

with open_log(snakemake.log[0]):
    examples = dict(zip(map(tuple, snakemake.params.shown), snakemake.input, strict=True))
    fig_restoration(examples, snakemake.params.study, snakemake.output.pdf, snakemake.output.png)
