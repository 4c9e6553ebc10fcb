"""Compare the error that a run or an ensemble predicts with the one it makes, on one test set."""

from pathlib import Path

import pandas as pd

from denoising.evaluation import columns
from denoising.evaluation.calibration import calibrate_pair
from denoising.evaluation.conformal import Factors
from denoising.images.volumes import paired
from denoising.running.logs import open_log
from denoising.running.outputs import whole

with open_log(snakemake.log[0], snakemake.input):
    restored = [Path(folder) for folder in snakemake.input.restored]
    factors = Factors.read(Path(snakemake.input.factors))
    scratch = Path(snakemake.output.calibration).parent
    rows = []
    for pair in paired(Path(snakemake.input.volumes), "test", snakemake.params.conditions):
        rows += calibrate_pair(pair, restored, factors, snakemake.threads, scratch)
    with whole(snakemake.output.calibration) as file:
        pd.DataFrame(rows, columns=columns.CALIBRATION).to_csv(file, index=False)
