"""Fetch an archive, from its URL or a local file, and verify its checksum."""

from pathlib import Path

from denoising.running.downloads import download, link_local, record_archive
from denoising.running.logs import open_log

with open_log(snakemake.log[0]):
    url = snakemake.params.url
    archive = Path(snakemake.output.archive)
    if url:
        download(url, archive)
    else:
        link_local(Path(snakemake.params.path), archive)
    source = url or snakemake.params.path
    record_archive(archive, source, snakemake.params.sha256, Path(snakemake.output.record))
