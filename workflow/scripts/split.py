"""Part the patches into training and validation."""

from denoising.logs import open_log
from denoising.patches import read_labels, split_patches

with open_log(snakemake.log[0]):
    labels = read_labels(snakemake.input.labels)
    split = split_patches(labels, snakemake.wildcards.split, snakemake.params.fraction, snakemake.params.seed)
    split.to_csv(snakemake.output.split, index=False)
