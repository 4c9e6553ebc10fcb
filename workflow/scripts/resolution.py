"""Measure the resolution of one method's restorations of one test set: curves, and scores."""

from pathlib import Path

import pandas as pd

from denoising.evaluation import columns
from denoising.evaluation.protocols import names_of
from denoising.evaluation.resolution import resolution_of_pair
from denoising.images.volumes import paired
from denoising.running.logs import open_log
from denoising.running.outputs import whole
from denoising.study.metrics import RESOLUTION

with open_log(snakemake.log[0], snakemake.input):
    params = snakemake.params
    restored = Path(snakemake.input.restored) if snakemake.input.get("restored") else None
    scratch = Path(snakemake.output.curves).parent
    tables = []
    scores = []
    for pair in paired(Path(snakemake.input.volumes), "test", params.conditions):
        names = params.scored | names_of(pair.condition, pair.volume, params.stratum)
        for curve in resolution_of_pair(pair, restored, params.voxel_size, scratch):
            tables.append(pd.DataFrame(vars(curve)).assign(**names))
            values = {"resolution": curve.resolution, "detail": curve.detail}
            scores += [
                names
                | {"protocol": RESOLUTION, "metric": f"{name}_{curve.direction}", "value": value}
                for name, value in values.items()
            ]
    table = pd.concat(tables)[list(columns.RESOLUTION)]
    with whole(snakemake.output.curves) as file:
        table.to_csv(file, index=False, float_format="%.6g")
    with whole(snakemake.output.scores) as file:
        pd.DataFrame(scores, columns=columns.SCORES).to_csv(file, index=False)
