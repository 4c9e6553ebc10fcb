"""Take the 2019 study's scores of one test set to the CARE paper's, one change per step."""

from pathlib import Path

import pandas as pd

from denoising.evaluation.protocol_ladder import COLUMNS, score_protocol_steps
from denoising.images.volumes import paired
from denoising.running.logs import open_log

with open_log(snakemake.log[0]):
    known = {"dataset": snakemake.wildcards.dataset, "model": snakemake.params.model}
    restored_truth = (
        Path(snakemake.input.restored_truth) if snakemake.input.get("restored_truth") else None
    )
    scratch = Path(snakemake.output.explanation).parent
    rows = [
        known | row
        for pair in paired(Path(snakemake.input.volumes), "test", snakemake.params.conditions)
        for row in score_protocol_steps(
            pair, Path(snakemake.input.restored), restored_truth, snakemake.threads, scratch
        )
    ]
    pd.DataFrame(rows, columns=COLUMNS).to_csv(snakemake.output.explanation, index=False)
