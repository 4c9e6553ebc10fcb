"""Keep one section of one test volume, as input, restorations and ground truth, for figure 2."""

from pathlib import Path

import numpy as np

from denoising.report.examples import example_sections
from denoising.running.logs import open_log

with open_log(snakemake.log[0]):
    shown = {
        key: Path(snakemake.input[key]) for key in ("nlm", "restored") if snakemake.input.get(key)
    }
    sections = example_sections(
        Path(snakemake.input.volumes),
        snakemake.params.conditions,
        shown,
        Path(snakemake.output.examples).parent,
    )
    size = snakemake.params.voxel_size
    np.savez(snakemake.output.examples, **sections, pixel_size_um=size[-1] if size else np.nan)
