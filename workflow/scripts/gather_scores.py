"""Gather tidy tables of one kind in one."""

import pandas as pd

from denoising.running.logs import open_log
from denoising.running.outputs import whole

with open_log(snakemake.log[0], snakemake.input):
    # As text, so that every value stands in the table as it was written
    tables = [pd.read_csv(path, dtype=str, keep_default_na=False) for path in snakemake.input]
    with whole(snakemake.output[0]) as file:
        pd.concat(tables).to_csv(file, index=False)
