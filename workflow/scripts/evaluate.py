"""Score one method's restorations of one test set under every protocol."""

from pathlib import Path

import pandas as pd

from denoising.evaluation import columns
from denoising.evaluation.protocols import score_pair
from denoising.images.volumes import paired
from denoising.running.logs import open_log
from denoising.running.outputs import whole

with open_log(snakemake.log[0], snakemake.input):
    params = snakemake.params
    restored = Path(snakemake.input.restored) if snakemake.input.get("restored") else None
    scratch = Path(snakemake.output.scores).parent
    rows = []
    for pair in paired(Path(snakemake.input.volumes), "test", params.conditions):
        scores = score_pair(
            pair, restored, params.protocols, params.stratum, snakemake.threads, scratch
        )
        rows += [params.scored | score for score in scores]
    with whole(snakemake.output.scores) as file:
        pd.DataFrame(rows, columns=columns.IMAGE_SCORES).to_csv(file, index=False)
