"""Gather tidy tables of one kind in one."""

import pandas as pd

from denoising.running.logs import open_log

with open_log(snakemake.log[0]):
    # As text, so that every value stands in the table as it was written
    tables = [pd.read_csv(path, dtype=str, keep_default_na=False) for path in snakemake.input]
    pd.concat(tables).to_csv(snakemake.output[0], index=False)
