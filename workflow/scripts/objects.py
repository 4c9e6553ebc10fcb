"""Score the nuclei that one method shows on one test set, and keep the curves behind the scores."""

from pathlib import Path

import pandas as pd

from denoising.evaluation import columns
from denoising.evaluation.object_scores import object_scores, precision_recall
from denoising.evaluation.objects import Detector, examine
from denoising.evaluation.protocols import names_of
from denoising.images.volumes import paired, read_nuclei
from denoising.running.logs import open_log
from denoising.running.outputs import whole
from denoising.study.metrics import OBJECTS

with open_log(snakemake.log[0], snakemake.input):
    params = snakemake.params
    method = params.scored | {"protocol": OBJECTS}
    folder = Path(snakemake.input.volumes)
    restored = Path(snakemake.input.restored) if snakemake.input.get("restored") else None
    known = read_nuclei(folder) if params.are_known else None
    detector = Detector(params.diameter, tuple(params.voxel_size), params.contrast)
    scratch = Path(snakemake.output.scores).parent
    scores = []
    curves = []
    for condition in params.conditions:
        volumes = [
            examine(pair, restored, detector, known, scratch)
            for pair in paired(folder, "test", [condition])
        ]
        names = {
            volume.volume: method | names_of(condition, volume.volume, params.stratum)
            for volume in volumes
        }
        scores += [
            names[volume] | {"metric": metric, "value": value}
            for volume, metric, value in object_scores(volumes)
        ]
        curves += [precision_recall(volume).assign(**names[volume.volume]) for volume in volumes]
    with whole(snakemake.output.scores) as file:
        pd.DataFrame(scores, columns=columns.SCORES).to_csv(file, index=False)
    curve = pd.concat(curves)[list(columns.NUCLEI)]
    with whole(snakemake.output.curves) as file:
        curve.to_csv(file, index=False, float_format="%.6g")
