"""Import training patches that csbdeep saved, as a folder of volumes without volumes."""

from pathlib import Path

from denoising.images.npz import import_npz
from denoising.running.logs import open_log
from denoising.training.npz import npz_patches

with open_log(snakemake.log[0]):
    npz = Path(snakemake.input.npz)
    wanted = snakemake.params.wanted
    import_npz(npz, Path(snakemake.output.volumes), Path(snakemake.output.record))
    # Here its faults are named by the user's own file
    for patches in npz_patches(npz, wanted["axes"], wanted["channel"], tuple(wanted["shape"])):
        for _ in patches.array.parts():
            pass  # read, so that damage shows
