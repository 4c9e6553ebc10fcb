"""Restore every test volume of a dataset by one classical baseline, as tuned."""

import json
from pathlib import Path

from denoising.images.volumes import paired
from denoising.restoration.baselines import restore_all
from denoising.restoration.destination import Destination
from denoising.running.logs import open_log
from denoising.running.outputs import write_json

with open_log(snakemake.log[0], snakemake.input):
    storage = snakemake.params.storage | {"compression": snakemake.params.compression}
    runtime = restore_all(
        list(paired(Path(snakemake.input.volumes), "test", snakemake.params.conditions)),
        Destination(Path(snakemake.output.restored), storage),
        json.loads(Path(snakemake.input.choice).read_text()),
        snakemake.threads,
    )
    runtime |= {"dataset": snakemake.wildcards.dataset}
    write_json(snakemake.output.runtime, runtime)
