"""Keep one section of one test volume, as input, restorations and ground truth, for figure 2."""

from pathlib import Path

import numpy as np

from denoising.report.examples import example_sections, strength_label, strongest
from denoising.running.logs import open_log
from denoising.running.outputs import whole

with open_log(snakemake.log[0], snakemake.input):
    restorations = {"restored": Path(snakemake.input.restored)}
    words = {}
    best = strongest([Path(path) for path in snakemake.input.choices])
    if best:
        folders = {Path(path).parent.name: Path(path) for path in snakemake.input.baselines}
        restorations["baseline"] = folders[best["baseline"]]
        words["baseline_label"] = strength_label(best)
    sections = example_sections(
        Path(snakemake.input.volumes),
        snakemake.params.conditions,
        restorations,
        Path(snakemake.output.examples).parent,
    )
    size = snakemake.params.voxel_size
    pixel = size[-1] if size else np.nan
    with whole(snakemake.output.examples) as name, name.open("wb") as file:
        np.savez(file, **sections, **words, pixel_size_um=pixel)
