"""Unpack an archive into a folder of volumes, checking every array."""

from pathlib import Path

from denoising.images.archives import unpack
from denoising.running.logs import open_log

with open_log(snakemake.log[0]):
    unpack(
        Path(snakemake.input.archive),
        snakemake.params.layout,
        snakemake.params.truth,
        snakemake.params.conditions,
        Path(snakemake.output.volumes),
    )
