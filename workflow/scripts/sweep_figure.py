"""Draw the scores of one sweep against the value that it varies."""

from denoising.evaluation.statistics import read_scores
from denoising.report.figures import fig_sweep
from denoising.running.logs import open_log

with open_log(snakemake.log[0]):
    scores, sweep = read_scores(snakemake.input.scores), snakemake.params.sweep
    fig_sweep(scores, snakemake.params.study, sweep, snakemake.output.pdf, snakemake.output.png)
