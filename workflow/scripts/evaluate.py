"""Score one method's restorations of one test set under every protocol."""

from pathlib import Path

import pandas as pd

from denoising.evaluation.protocols import COLUMNS, score_pair
from denoising.images.volumes import paired
from denoising.running.logs import open_log

with open_log(snakemake.log[0]):
    known = snakemake.params.scored | {"tested_on": snakemake.wildcards.dataset}
    restored = Path(snakemake.input.restored) if snakemake.input.get("restored") else None
    rows = [
        known | row
        for pair in paired(Path(snakemake.input.volumes), "test", snakemake.params.conditions)
        for row in score_pair(
            pair,
            restored,
            snakemake.params.protocols,
            snakemake.params.stratum,
            snakemake.threads,
            Path(snakemake.output.scores).parent,
        )
    ]
    pd.DataFrame(rows, columns=COLUMNS).to_csv(snakemake.output.scores, index=False)
