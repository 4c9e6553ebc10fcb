"""Draw figure 3: every model on every test set."""

from denoising.evaluation.statistics import read_scores
from denoising.report.figures import fig_generalization
from denoising.running.logs import open_log

with open_log(snakemake.log[0]):
    scores = read_scores(snakemake.input.scores)
    fig_generalization(scores, snakemake.params.study, snakemake.output.pdf, snakemake.output.png)
