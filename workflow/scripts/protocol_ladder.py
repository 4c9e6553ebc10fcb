"""Take the 2019 study's scores of one test set to the CARE paper's, one change per step."""

from pathlib import Path

import pandas as pd

from denoising.evaluation import columns
from denoising.evaluation.protocol_ladder import score_protocol_steps
from denoising.images.volumes import paired
from denoising.running.logs import open_log
from denoising.running.outputs import whole

with open_log(snakemake.log[0], snakemake.input):
    keys = {"dataset": snakemake.wildcards.dataset, "model": snakemake.params.model}
    restored = Path(snakemake.input.restored)
    clean_input = snakemake.input.get("restored_truth")
    restored_truth = Path(clean_input) if clean_input else None
    scratch = Path(snakemake.output.explanation).parent
    organism = snakemake.params.organism
    rows = []
    for pair in paired(Path(snakemake.input.volumes), "test", snakemake.params.conditions):
        steps = score_protocol_steps(
            pair, restored, restored_truth, organism, snakemake.threads, scratch
        )
        rows += [keys | step for step in steps]
    with whole(snakemake.output.explanation) as file:
        pd.DataFrame(rows, columns=columns.PROTOCOL_STEPS).to_csv(file, index=False)
