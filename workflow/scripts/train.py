"""Train one model."""

from pathlib import Path

import pandas as pd

from denoising.logs import open_log
from denoising.network import use_device
from denoising.training import train

with open_log(snakemake.log[0]):
    use_device(snakemake.params.device, snakemake.threads)
    train(
        snakemake.params.model,
        Path(snakemake.input.X).parent,
        pd.read_csv(snakemake.input.split),
        Path(snakemake.output.config).parent,
    )
