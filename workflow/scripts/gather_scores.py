"""Gather tidy tables of one kind in one."""

import pandas as pd

from denoising.evaluation import columns
from denoising.running.logs import open_log
from denoising.running.names import remedy_of_damage
from denoising.running.outputs import whole

TIDY = (columns.SCORES, columns.IMAGE_SCORES, columns.PROTOCOL_STEPS)

with open_log(snakemake.log[0], snakemake.input):
    tables = []
    for path in snakemake.input:
        # As text, so that every value stands in the table as it was written
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        if tuple(table.columns) not in TIDY:
            raise ValueError(
                f"{path}: has the columns {', '.join(table.columns)}, expected"
                f" {', '.join(columns.SCORES)}; {remedy_of_damage(path)}."
            )
        tables.append(table)
    with whole(snakemake.output[0]) as file:
        pd.concat(tables).to_csv(file, index=False)
