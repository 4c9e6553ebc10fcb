"""Fetch an archive from its URL, and verify its checksum."""

from pathlib import Path

from denoising.running.downloads import fetch
from denoising.running.logs import open_log

with open_log(snakemake.log[0]):
    output = snakemake.output
    params = snakemake.params
    archive, record = Path(output.archive), Path(output.record)
    fetch(params.url, archive, params.sha256, record, params.allow_http)
