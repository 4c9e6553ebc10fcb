"""Split-conformal factors of one run or ensemble, from the validation patches of its trainings."""

import math
from pathlib import Path

from denoising.running.devices import reserve_device
from denoising.running.logs import muted, open_log

method = snakemake.wildcards.method
device = snakemake.params.device
with open_log(snakemake.log[0], snakemake.input):
    reserve_device(device, f"conformal factors of {method}")
    # Here, so that TensorFlow sees the reserved device alone
    with muted():
        import tensorflow  # noqa: F401

    from denoising.evaluation.conformal import conformal_factors
    from denoising.restoration.restorer import TILES_PER_BATCH, Restorer
    from denoising.restoration.validation_scores import score_patches
    from denoising.training.agreement import read_split
    from denoising.training.batches import PatchPairs
    from denoising.training.network import load_model, use_device

    chosen = use_device(device, snakemake.threads, snakemake.params.memory_growth)
    folder = Path(snakemake.input.X).parent
    patches = PatchPairs.open(folder, read_split(Path(snakemake.input.split), folder))
    # A patch is one tile; training had as many at a time in memory, and more
    tiles = TILES_PER_BATCH[chosen.kind]
    networks = [
        Restorer(load_model(Path(config).parent), tiles * math.prod(patches.shape), tiles)
        for config in snakemake.input.configs
    ]
    factors = Path(snakemake.output.factors)
    conformal_factors(*score_patches(networks, patches, factors.parent)).write(factors)
