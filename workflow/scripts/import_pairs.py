"""Import a microscopist's own image pairs into a folder of volumes."""

from pathlib import Path

import pandas as pd

from denoising.images.pairs import import_pairs, record_pairs
from denoising.images.sources import Selection
from denoising.running.logs import open_log

with open_log(snakemake.log[0], [snakemake.input.table]):
    params = snakemake.params
    pairs = [(name, Path(low), Path(high)) for name, low, high in params.pairs]
    volumes = Path(snakemake.output.volumes)
    selection = Selection(**params.selection)
    import_pairs(pairs, selection, "low", params.test_fraction, params.seed, volumes)
    table = pd.read_csv(snakemake.input.table, dtype=str, keep_default_na=False)
    record_pairs(table, Path(snakemake.output.record))
