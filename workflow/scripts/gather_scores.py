"""Gather all scores in one tidy table."""

import pandas as pd

from denoising.logs import open_log

with open_log(snakemake.log[0]):
    # As text, so that every value stands in the table as it was written
    scores = [pd.read_csv(path, dtype=str, keep_default_na=False) for path in snakemake.input]
    pd.concat(scores).to_csv(snakemake.output.scores, index=False)
