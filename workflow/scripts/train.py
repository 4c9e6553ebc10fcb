"""Train one model, or go on with its training."""

from pathlib import Path

from denoising.running.devices import lease
from denoising.running.logs import open_log

device, run = snakemake.params.device, snakemake.wildcards.run
with open_log(snakemake.log[0]), lease(device, f"training of {run}"):
    # Here, so that TensorFlow sees the leased device alone, and what it says when it is loaded is
    # in the log
    import pandas as pd

    from denoising.training.checks import check_batch
    from denoising.training.loop import train
    from denoising.training.network import use_device

    values, compute = snakemake.params.model, snakemake.params.compute
    split = pd.read_csv(snakemake.input.split)
    check_batch(run, values["batch_size"], split)
    train(
        run,
        values,
        Path(snakemake.input.X).parent,
        split,
        Path(snakemake.output.config).parent,
        Path(snakemake.params.checkpoints),
        use_device(device, snakemake.threads, compute["memory_growth"]),
        compute,
        defined_by=snakemake.params.code + Path(snakemake.input.description).read_text(),
        tensorboard=Path("logs/tensorboard") / run if snakemake.params.tensorboard else None,
    )
