"""Record beside the results what made them."""

from pathlib import Path

from denoising.running.logs import open_log
from denoising.running.provenance import record, write_record

with open_log(snakemake.log[0]):
    study, repository = snakemake.params.study, Path(snakemake.params.repository)
    inputs = {Path(path).stem: Path(path) for path in snakemake.input.records}
    entry = record(study, inputs, repository)
    write_record(entry, study, Path(snakemake.output.record), Path(snakemake.output.config))
