"""Average what the runs of one model restored, volume by volume."""

from pathlib import Path

from denoising.restoration.ensembles import average
from denoising.running.logs import open_log

with open_log(snakemake.log[0]):
    runs = [Path(folder) for folder in snakemake.input.runs]
    settings = snakemake.params.storage | {"compression": snakemake.params.compression}
    average(runs, Path(snakemake.output.restored), settings, snakemake.threads)
