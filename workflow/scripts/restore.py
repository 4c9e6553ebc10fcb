"""Restore every test volume of a dataset, in all its conditions, with the model of one run; or a
slab of each.
"""

from pathlib import Path

from denoising.running.devices import reserve_device
from denoising.running.logs import muted, open_log

run = snakemake.wildcards.run
dataset = snakemake.wildcards.dataset
with open_log(snakemake.log[0], snakemake.input):
    reserve_device(snakemake.params.device, f"restoration of {dataset} by {run}")
    # Here, so that TensorFlow sees the reserved device alone
    with muted():
        import tensorflow  # noqa: F401

    from denoising.images.volumes import paired, with_channels
    from denoising.restoration.destination import Destination
    from denoising.restoration.forward_pass import most_voxels_at_once
    from denoising.restoration.restored_volumes import restore_all
    from denoising.restoration.restorer import restorer_on
    from denoising.training.costs import free_memory
    from denoising.training.network import load_model, use_device

    device = use_device(snakemake.params.device, snakemake.threads, snakemake.params.memory_growth)
    free = free_memory(device.on_gpu, snakemake.resources.mem_mb)
    model = load_model(Path(snakemake.input.config).parent)
    pairs = list(paired(Path(snakemake.input.volumes), "test", snakemake.params.conditions))
    if snakemake.input.channels:
        channels = [Path(folder) for folder in snakemake.input.channels]
        pairs = [with_channels(pair, channels) for pair in pairs]
    part, parts = map(int, snakemake.wildcards.get("scatteritem", "1-of-1").split("-of-"))
    voxels = most_voxels_at_once(model, snakemake.params.max_tile_voxels, free)
    storage = snakemake.params.storage | {"compression": snakemake.params.compression}
    restore_all(
        restorer_on(device, model, voxels, snakemake.params.percentiles),
        pairs,
        Destination(Path(snakemake.output.restored), storage, snakemake.threads),
        Path(snakemake.output.runtime),
        {"method": run, "dataset": dataset, "device": device.name},
        (part, parts),
    )
