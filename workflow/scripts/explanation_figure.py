"""Draw the way from the 2019 study's numbers to the CARE paper's."""

from denoising.evaluation.statistics import read_tidy
from denoising.report.figures import fig_explanation
from denoising.running.logs import open_log

with open_log(snakemake.log[0]):
    explanation = read_tidy(snakemake.input.explanation)
    fig_explanation(explanation, snakemake.params.study, snakemake.output.pdf, snakemake.output.png)
