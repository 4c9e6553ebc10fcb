"""Draw the way from the 2019 study's numbers to the CARE paper's."""

from denoising.figures import fig_explanation
from denoising.logs import open_log
from denoising.statistics import read_tidy

with open_log(snakemake.log[0]):
    explanation = read_tidy(snakemake.input.explanation)
    fig_explanation(explanation, snakemake.params.study, snakemake.output.pdf, snakemake.output.png)
