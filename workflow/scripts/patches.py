"""Make memory-mappable training patches, from volumes or from an npz."""

from pathlib import Path

from denoising.running.logs import open_log
from denoising.training.patches import Cutting, patches_from_npz, patches_from_volumes

with open_log(snakemake.log[0], snakemake.input):
    wanted = snakemake.params.wanted
    volumes = Path(snakemake.input.volumes)
    folder = Path(snakemake.output.X).parent
    shape = tuple(wanted["shape"])
    if "axes" in wanted:
        npz = (volumes / "train" / "data_label.npz").resolve()  # the user's own, if it is a link
        patches_from_npz(npz, wanted["axes"], shape, folder, wanted.get("channel"))
    else:
        cutting = Cutting(shape, wanted["per_volume"], tuple(wanted["percentiles"]))
        patches_from_volumes(volumes, wanted["conditions"], cutting, wanted["seed"], folder)
