"""Verify and record an archive that is here already, as a tar file or unpacked in a folder."""

from pathlib import Path

from denoising.images.archive_names import folder_files
from denoising.running.downloads import record_archive, record_folder
from denoising.running.logs import open_log

with open_log(snakemake.log[0]):
    archive = Path(snakemake.input.archive)
    record = Path(snakemake.output.record)
    if archive.is_dir():
        record_folder(archive, folder_files(archive), record)
    else:
        record_archive(archive, str(archive), snakemake.params.sha256, record)
