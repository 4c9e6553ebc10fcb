"""Keep a few training and validation patches for figure 1."""

from pathlib import Path

import numpy as np
import pandas as pd

from denoising.report.examples import example_patches
from denoising.running.logs import open_log

with open_log(snakemake.log[0]):
    split = pd.read_csv(snakemake.input.split)
    np.savez(snakemake.output.examples, **example_patches(Path(snakemake.input.X).parent, split))
