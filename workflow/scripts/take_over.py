"""Copy a network made elsewhere into the folder of one of this study's models."""

from pathlib import Path

from denoising.running.logs import muted, open_log

with open_log(snakemake.log[0]):
    with muted():
        import tensorflow  # noqa: F401

    from denoising.training.model_folder import take_over

    take_over(Path(snakemake.params.folder), Path(snakemake.output.config).parent)
