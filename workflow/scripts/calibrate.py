"""Hold the scale that one run predicts against its error, on one test set."""

import logging
from pathlib import Path

import pandas as pd

from denoising.calibration import COLUMNS, calibrate_pair, calibration_errors
from denoising.logs import open_log
from denoising.volumes import paired

with open_log(snakemake.log[0]):
    rows = [
        row
        for pair in paired(Path(snakemake.input.volumes), "test", snakemake.params.conditions)
        for row in calibrate_pair(pair, Path(snakemake.input.restored))
    ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    table.to_csv(snakemake.output.calibration, index=False)
    for condition, error in calibration_errors(table).items():
        logging.info("condition %s: expected calibration error %.4f", condition, error)
