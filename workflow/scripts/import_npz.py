"""Import training patches that csbdeep saved, as a folder of volumes without volumes."""

import tempfile
from pathlib import Path

from denoising.images.archives import import_npz
from denoising.running.logs import open_log
from denoising.training.npz import npz_patches

with open_log(snakemake.log[0]):
    npz = Path(snakemake.input.npz)
    volumes = Path(snakemake.output.volumes)
    wanted = snakemake.params.wanted
    import_npz(npz, volumes, Path(snakemake.output.record))
    # Here its faults are named by the user's own file
    with tempfile.TemporaryDirectory(dir=volumes) as scratch:
        shape = tuple(wanted["shape"])
        npz_patches(npz, wanted["axes"], wanted["channel"], shape, Path(scratch))
