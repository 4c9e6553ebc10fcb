"""Restore every test volume of a dataset by non-local means."""

from pathlib import Path

from denoising.baselines import restore_all
from denoising.logs import open_log

with open_log(snakemake.log[0]):
    restore_all(
        Path(snakemake.input.volumes),
        snakemake.params.conditions,
        Path(snakemake.output.restored),
        snakemake.params.baseline,
        snakemake.threads,
    )
