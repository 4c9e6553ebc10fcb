"""Join the slabs that several jobs restored to whole volumes."""

from pathlib import Path

from denoising.images.volumes import paired
from denoising.restoration.destination import Destination
from denoising.restoration.slabs import gather
from denoising.running.logs import open_log

with open_log(snakemake.log[0], snakemake.input):
    storage = snakemake.params.storage | {"compression": snakemake.params.compression}
    gather(
        [Path(folder) for folder in snakemake.input.slabs],
        [Path(file) for file in snakemake.input.runtimes],
        list(paired(Path(snakemake.input.volumes), "test", snakemake.params.conditions)),
        Destination(Path(snakemake.output.restored), storage, snakemake.threads),
        Path(snakemake.output.runtime),
    )
