"""Unpack an archive into a folder of volumes, checking every array, and report what it held."""

from pathlib import Path

from denoising.images.archives import unpack
from denoising.images.arrival import report, write_report
from denoising.running.logs import open_log
from denoising.study.names import TRUTH

# Without the archive, if it is a user's own
record = Path(snakemake.input.record)
made_before = [file for file in snakemake.input if Path(file).parent == record.parent]
with open_log(snakemake.log[0], made_before):
    params = snakemake.params
    archive = Path(snakemake.input.archive)
    volumes = Path(snakemake.output.volumes)
    contents = unpack(archive, params.layout, params.truth, params.conditions, volumes)
    sources = {TRUTH: params.truth, **params.conditions}
    entry = report(contents, volumes, sources, params.published)
    write_report(entry, archive, Path(snakemake.output.arrival))
