"""Networks in words: csbdeep's names of their settings, and what they were trained on."""

from denoising.study.names import ELSEWHERE
from denoising.study.study import Study

# The settings of a training in csbdeep's words; the first five make the network
ARCHITECTURE = {
    "width": "unet_n_first",
    "depth": "unet_n_depth",
    "kernel": "unet_kern_size",
    "residual": "unet_residual",
    "last_activation": "unet_last_activation",
}
COURSE = {
    "epochs": "train_epochs",
    "steps_per_epoch": "train_steps_per_epoch",
    "batch_size": "train_batch_size",
    "learning_rate": "train_learning_rate",
}


def trained_on_label(method: str, study: Study) -> str:
    """What a model, or an ensemble's model, was trained on, as in "trained on planaria"."""
    model = study.models[study.ensembles.get(method, method)]
    return ELSEWHERE if model.pretrained else f"on {study.datasets[model.trained_on].label}"
