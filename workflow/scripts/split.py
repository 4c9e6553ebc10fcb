"""Split the patches into training and validation, after checks of the dataset's volumes."""

from pathlib import Path

from denoising.running.logs import open_log
from denoising.running.outputs import whole
from denoising.training.agreement import check_labels
from denoising.training.checks import check_batch, check_scorable
from denoising.training.splits import read_labels, split_patches, with_training_volumes

with open_log(snakemake.log[0], snakemake.input):
    check_scorable(Path(snakemake.input.volumes))
    labels = read_labels(snakemake.input.labels)
    check_labels(Path(snakemake.input.labels), labels)
    seed = snakemake.params.seed
    split = split_patches(labels, snakemake.params.kind, snakemake.params.fraction, seed)
    if snakemake.params.training_volumes is not None:
        split = with_training_volumes(split, labels, snakemake.params.training_volumes, seed)
    for model, batch_size in snakemake.params.batch_sizes.items():
        check_batch(model, batch_size, split)
    with whole(snakemake.output.split) as file:
        split.to_csv(file, index=False)
