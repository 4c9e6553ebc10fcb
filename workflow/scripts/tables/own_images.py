"""What the check of a user's own images found: a row per image, and sentences on each dataset."""

from pathlib import Path

import pandas as pd

from denoising.report.markdown import Page, Section
from denoising.report.pages import write_table
from denoising.running.logs import open_log

SHOWN = ["file", "part", "side", "shape", "dtype", "lowest", "highest", "saturated", "noise"]
SHOWN += ["shift_z", "shift_y", "shift_x", "warnings"]

with open_log(snakemake.log[0], snakemake.input):
    study = snakemake.params.study
    looked_at = {Path(path).stem: pd.read_csv(path) for path in snakemake.input.csv}
    table = pd.concat([rows.assign(dataset=name) for name, rows in looked_at.items()])
    warnings = [
        line
        for path in snakemake.input.txt
        for line in Path(path).read_text(encoding="utf-8").splitlines()
    ]
    parts = [Section(rows[SHOWN], study.datasets[name].label) for name, rows in looked_at.items()]
    legend = [
        "Side: the noisy image (low) or its ground truth (high). Saturated: share of voxels at the "
        "highest value. Noise: as a share of the image's range, from percentile 3 to 99.8. "
        "Shift: of the noisy image against its ground truth, in voxels."
    ]
    title = f"{study.title}: own images"
    write_table(table, Page(title, study.note, parts, legend, warnings), snakemake.output)
