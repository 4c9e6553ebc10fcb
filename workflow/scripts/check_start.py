"""See that the weights of a network made elsewhere fit it."""

from pathlib import Path

from denoising.running.logs import muted, open_log

with open_log(snakemake.log[0]):
    with muted():
        import tensorflow  # noqa: F401

    from denoising.training.model_folder import load_sound_model

    load_sound_model(Path(snakemake.params.folder))
