"""Draw runtimes, and runtime against steps per epoch."""

from denoising.evaluation.statistics import of_study, read_tidy
from denoising.report.figures import fig_runtimes
from denoising.running.logs import open_log

with open_log(snakemake.log[0]):
    study = snakemake.params.study
    histories = dict(zip(study["runs"], snakemake.input.histories, strict=True))
    published = of_study(read_tidy(snakemake.input.published), study)
    fig_runtimes(histories, study, published, snakemake.output.pdf, snakemake.output.png)
