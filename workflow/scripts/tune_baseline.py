"""Tune one classical baseline on validation patches of one dataset."""

from pathlib import Path

import numpy as np

from denoising.restoration.baselines import tune
from denoising.running.logs import open_log
from denoising.running.outputs import write_json
from denoising.training.agreement import read_split

with open_log(snakemake.log[0], snakemake.input):
    choice = tune(
        snakemake.wildcards.baseline,
        np.load(snakemake.input.X, mmap_mode="r"),
        np.load(snakemake.input.Y, mmap_mode="r"),
        read_split(Path(snakemake.input.split), Path(snakemake.input.X).parent),
        snakemake.params.voxel_size,
        snakemake.params.seed,
    )
    choice |= {
        "tuned_on": snakemake.params.tuned_on,
        "percentiles": snakemake.params.percentiles,
    }
    write_json(snakemake.output.choice, choice)
