"""Record beside the results what made them."""

from pathlib import Path

from denoising.running.logs import open_log
from denoising.running.provenance import record, write_record

with open_log(snakemake.log[0], snakemake.input):
    entry = record(
        {Path(path).stem: Path(path) for path in snakemake.input.records},
        snakemake.params.checksums,
        snakemake.params.seeds,
        Path(snakemake.params.repository),
    )
    record_path, config_path = Path(snakemake.output.record), Path(snakemake.output.config)
    write_record(entry, snakemake.params.config, record_path, config_path)
