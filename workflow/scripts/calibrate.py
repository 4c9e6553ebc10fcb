"""Hold the scale that one run predicts against its error, on one test set."""

from pathlib import Path

import pandas as pd

from denoising.calibration import COLUMNS, calibrate_pair
from denoising.logs import open_log
from denoising.volumes import paired

with open_log(snakemake.log[0]):
    scratch = Path(snakemake.output.calibration).parent
    rows = [
        row
        for pair in paired(Path(snakemake.input.volumes), "test", snakemake.params.conditions)
        for row in calibrate_pair(pair, Path(snakemake.input.restored), snakemake.threads, scratch)
    ]
    pd.DataFrame(rows, columns=COLUMNS).to_csv(snakemake.output.calibration, index=False)
