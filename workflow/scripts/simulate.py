"""Simulate specimens and archive them in the published layout."""

from pathlib import Path

from denoising.running.downloads import record_archive
from denoising.running.logs import open_log
from denoising.specimens.simulated_archives import ArchiveContents, simulate_archive

with open_log(snakemake.log[0]):
    archive = Path(snakemake.output.archive)
    contents = ArchiveContents(
        **snakemake.params.simulation,
        patch_shape=tuple(snakemake.params.patch_shape),
        seed=snakemake.params.seed,
    )
    simulate_archive(archive, contents)
    source = f"simulated {contents.species}, seed {contents.seed}"
    record_archive(archive, source, None, Path(snakemake.output.record))
