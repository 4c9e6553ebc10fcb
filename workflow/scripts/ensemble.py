"""Average the restorations of the runs of one model, volume by volume."""

from pathlib import Path

from denoising.restoration.destination import Destination
from denoising.restoration.ensembles import average
from denoising.running.logs import open_log

with open_log(snakemake.log[0]):
    storage = snakemake.params.storage | {"compression": snakemake.params.compression}
    average(
        [Path(folder) for folder in snakemake.input.runs],
        Destination(Path(snakemake.output.restored), storage, snakemake.threads),
    )
