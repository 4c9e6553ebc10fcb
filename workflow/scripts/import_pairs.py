"""Bring a microscopist's own image pairs into a folder of volumes."""

from pathlib import Path

from denoising.images.pairs import import_pairs, record_pairs
from denoising.running.logs import open_log

with open_log(snakemake.log[0]):
    files = zip(
        snakemake.params.names,
        map(Path, snakemake.input.low),
        map(Path, snakemake.input.high),
        strict=True,
    )
    pairs = list(files)
    import_pairs(
        pairs,
        snakemake.params.axes,
        "low",
        snakemake.params.test_fraction,
        snakemake.params.seed,
        Path(snakemake.output.volumes),
    )
    record_pairs(pairs, Path(snakemake.output.record))
