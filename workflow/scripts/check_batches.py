"""Compare the batch of every model with its training set, and test volumes with what scoring needs."""

from pathlib import Path

import pandas as pd

from denoising.checks import check_batch, check_scorable
from denoising.logs import open_log

with open_log(snakemake.log[0]):
    check_scorable(Path(snakemake.input.volumes))
    splits = {Path(path).stem: pd.read_csv(path) for path in snakemake.input.splits}
    rows = [
        check_batch(model, batch, splits[split]) | {"split": split}
        for model, (batch, split) in snakemake.params.batch_sizes.items()
    ]
    pd.DataFrame(rows).to_csv(snakemake.output.checked, index=False)
