"""Refuse test images of one dataset that are training images of another."""

from pathlib import Path

import pandas as pd

from denoising.images.leaks import refuse_leaks
from denoising.running.logs import open_log

with open_log(snakemake.log[0]):
    tables = [
        pd.read_csv(path, dtype=str, keep_default_na=False)
        for path in (snakemake.input.trained, snakemake.input.tested)
    ]
    wildcards = snakemake.wildcards
    refuse_leaks(*tables, names=(wildcards.trained, wildcards.dataset))
    Path(snakemake.output[0]).write_text("No test image is a training image of the other.\n")
