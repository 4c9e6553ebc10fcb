"""Train one model."""

from pathlib import Path

from denoising.logs import open_log

with open_log(snakemake.log[0]):
    # Here, so that what TensorFlow says when it is loaded is in the log
    import pandas as pd

    from denoising.network import use_device
    from denoising.training import train

    use_device(snakemake.resources.device, snakemake.threads)
    train(
        snakemake.params.model,
        Path(snakemake.input.X).parent,
        pd.read_csv(snakemake.input.split),
        Path(snakemake.output.config).parent,
    )
