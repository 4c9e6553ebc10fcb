"""Restore every test volume of a dataset by one classical baseline, as tuned."""

import json
from pathlib import Path

from denoising.restoration.baselines import restore_all
from denoising.running.logs import open_log

with open_log(snakemake.log[0]):
    runtime = restore_all(
        Path(snakemake.input.volumes),
        snakemake.params.conditions,
        Path(snakemake.output.restored),
        json.loads(Path(snakemake.input.choice).read_text()),
        snakemake.params.storage | {"compression": snakemake.params.compression},
        snakemake.threads,
    )
    runtime |= {"dataset": snakemake.wildcards.dataset}
    Path(snakemake.output.runtime).write_text(json.dumps(runtime, indent=2) + "\n")
