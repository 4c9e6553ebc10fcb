"""Compare the batch of every model with its training set, before any of them trains."""

from pathlib import Path

import pandas as pd

from denoising.logs import open_log
from denoising.patches import check_batch

with open_log(snakemake.log[0]):
    splits = {Path(path).stem: pd.read_csv(path) for path in snakemake.input.splits}
    rows = [
        check_batch(model, batch, splits[split]) | {"split": split}
        for model, (batch, split) in snakemake.params.batch_sizes.items()
    ]
    pd.DataFrame(rows).to_csv(snakemake.output.checked, index=False)
