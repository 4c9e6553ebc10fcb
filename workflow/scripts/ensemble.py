"""Average the restorations of the runs of one model, volume by volume; where the networks predict
their error and restorations are kept, write the intervals of 95 % too.
"""

from math import inf
from pathlib import Path

from denoising.evaluation.conformal import Factors
from denoising.restoration.destination import Destination
from denoising.restoration.ensembles import average
from denoising.running.logs import open_log

with open_log(snakemake.log[0], snakemake.input):
    storage = snakemake.params.storage | {"compression": snakemake.params.compression}
    factors = [Factors.read(Path(path)) for path in snakemake.input.factors]
    average(
        [Path(folder) for folder in snakemake.input.runs],
        Destination(Path(snakemake.output.restored), storage, snakemake.threads),
        factors[0].score_of(0.95) if factors else inf,
    )
