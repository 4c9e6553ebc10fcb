"""Refuse test images of one dataset that are training images of another."""

import pandas as pd

from denoising.images.leaks import refuse_leaks
from denoising.running.logs import open_log
from denoising.running.outputs import write_whole

with open_log(snakemake.log[0], snakemake.input):
    tables = [
        pd.read_csv(path, dtype=str, keep_default_na=False)
        for path in (snakemake.input.trained, snakemake.input.tested)
    ]
    wildcards = snakemake.wildcards
    refuse_leaks(*tables, names=(wildcards.trained, wildcards.dataset))
    write_whole(snakemake.output[0], "No test image is a training image of the other.\n")
