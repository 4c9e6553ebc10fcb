"""Write one run's network as a TensorFlow SavedModel, by Keras 2, which this process alone has."""

import os
from pathlib import Path

from denoising.running.logs import muted, open_log

with open_log(snakemake.log[0]):
    os.environ["TF_USE_LEGACY_KERAS"] = "1"  # before TensorFlow is imported
    with muted():
        import tensorflow  # noqa: F401

    from denoising.exports.saved_model import write_saved_model

    write_saved_model(Path(snakemake.input.config).parent, Path(snakemake.output.archive))
