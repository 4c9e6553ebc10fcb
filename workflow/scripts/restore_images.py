"""Restore new images with one network, or with the mean of several."""

import logging
from pathlib import Path

from denoising.running.devices import reserve_device
from denoising.running.logs import muted, open_log
from denoising.running.names import first_of

MOST_NAMES = 5
params = snakemake.params
with open_log(snakemake.log[0]):
    reserve_device(params.device, "restoration of new images")
    # Here, so that TensorFlow sees the reserved device alone
    with muted():
        import tensorflow  # noqa: F401

    from denoising.images.found import find_images, left_out
    from denoising.restoration.album import Networks, restore_album
    from denoising.restoration.forward_pass import most_voxels_at_once
    from denoising.restoration.new_images import Wish
    from denoising.restoration.restorer import restorer_on
    from denoising.training.costs import free_memory
    from denoising.training.network import load_model, use_device

    device = use_device(params.device, snakemake.threads, params.memory_growth)
    free = free_memory(device.on_gpu, snakemake.resources.mem_mb)
    wish = params.wish
    images = find_images(wish["images"], wish["output"])
    if others := left_out(wish["images"], wish["output"]):
        logging.getLogger("progress").warning(
            "left out, because only TIFF and OME-Zarr can be read: %s; save them as TIFF in Fiji",
            first_of(others, MOST_NAMES),
        )
    models = {Path(folder): load_model(Path(folder)) for folder in params.folders}
    restorers = {
        folder: restorer_on(
            device, model, most_voxels_at_once(model, params.max_tile_voxels, free / len(models))
        )
        for folder, model in models.items()
    }
    networks = Networks.of(restorers)
    restore_album(
        images,
        networks,
        Wish(
            percentiles=wish["percentiles"] or networks.percentiles,
            axes=wish["axes"],
            channels=wish["channels"],
            storage={key: wish[key] for key in ("format", "dtype", "compression")},
            threads=snakemake.threads,
        ),
        Path(wish["output"]),
        Path(snakemake.output.table),
        Path(snakemake.input.template),
    )
