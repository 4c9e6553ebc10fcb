"""Compare the scale that one run predicts with its error, on one test set."""

from pathlib import Path

import pandas as pd

from denoising.evaluation import columns
from denoising.evaluation.calibration import calibrate_pair
from denoising.images.volumes import paired
from denoising.running.logs import open_log

with open_log(snakemake.log[0]):
    restored = Path(snakemake.input.restored)
    scratch = Path(snakemake.output.calibration).parent
    rows = []
    for pair in paired(Path(snakemake.input.volumes), "test", snakemake.params.conditions):
        rows += calibrate_pair(pair, restored, snakemake.threads, scratch)
    pd.DataFrame(rows, columns=columns.CALIBRATION).to_csv(
        snakemake.output.calibration, index=False
    )
