"""Tune one classical baseline on validation patches of one dataset."""

import numpy as np
import pandas as pd

from denoising.restoration.baselines import tune
from denoising.running.logs import open_log
from denoising.running.outputs import write_json

with open_log(snakemake.log[0], snakemake.input):
    choice = tune(
        snakemake.wildcards.baseline,
        np.load(snakemake.input.X, mmap_mode="r"),
        np.load(snakemake.input.Y, mmap_mode="r"),
        pd.read_csv(snakemake.input.split),
        snakemake.params.voxel_size,
        snakemake.params.seed,
    )
    choice |= {
        "tuned_on": snakemake.params.tuned_on,
        "percentiles": snakemake.params.percentiles,
    }
    write_json(snakemake.output.choice, choice)
