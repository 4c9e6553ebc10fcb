"""Fetch an archive, from its URL or a local file, and verify its checksum."""

from pathlib import Path

from denoising.archives import download, link_local, record_archive
from denoising.logs import open_log

with open_log(snakemake.log[0]):
    source, archive = snakemake.params.archive, Path(snakemake.output.archive)
    if source["url"]:
        download(source["url"], archive)
    else:
        link_local(Path(source["path"]), archive)
    record_archive(archive, source["url"] or source["path"], source["sha256"], Path(snakemake.output.record))
