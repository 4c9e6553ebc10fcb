"""Draw figure 3: every model on every test set."""

from denoising.figures import fig_generalization
from denoising.logs import open_log
from denoising.statistics import read_scores

with open_log(snakemake.log[0]):
    scores = read_scores(snakemake.input.scores)
    fig_generalization(scores, snakemake.params.study, snakemake.output.pdf, snakemake.output.png)
