"""Tune one classical baseline on validation patches of one dataset."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from denoising.restoration.baselines import tune
from denoising.running.logs import open_log

with open_log(snakemake.log[0]):
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
    Path(snakemake.output.choice).write_text(json.dumps(choice, indent=2) + "\n")
