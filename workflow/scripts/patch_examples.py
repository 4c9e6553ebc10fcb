"""Keep a few training and validation patches for figure 1."""

from pathlib import Path

import numpy as np

from denoising.report.examples import example_patches
from denoising.running.logs import open_log
from denoising.running.outputs import whole
from denoising.training.agreement import read_split
from denoising.training.splits import read_labels

with open_log(snakemake.log[0], snakemake.input):
    folder = Path(snakemake.input.X).parent
    split = read_split(Path(snakemake.input.split), folder)
    labels = read_labels(snakemake.input.labels)
    with whole(snakemake.output.examples) as name, name.open("wb") as file:
        np.savez(file, **example_patches(folder, split, labels))
