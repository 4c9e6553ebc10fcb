"""Train one model."""

from pathlib import Path

from denoising.logs import open_log

with open_log(snakemake.log[0]):
    # Here, so that what TensorFlow says when it is loaded is in the log
    import pandas as pd

    from denoising.checks import check_batch
    from denoising.network import use_device
    from denoising.training import train

    split = pd.read_csv(snakemake.input.split)
    check_batch(snakemake.wildcards.model, snakemake.params.model["batch_size"], split)
    use_device(snakemake.params.device, snakemake.threads)
    train(
        snakemake.params.model,
        Path(snakemake.input.X).parent,
        split,
        Path(snakemake.output.config).parent,
    )
