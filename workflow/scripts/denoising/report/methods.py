"""What a run did, in the words of a paper's methods section."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from denoising.study.baselines import BASELINES
from denoising.study.metrics import PROTOCOLS
from denoising.study.study import Dataset, Model, Study
from denoising.study.training import Training

LOSSES = {
    "laplace": "the negative log-likelihood of a Laplace distribution, of which they predict mean "
    "and scale for each voxel",
    "mae": "the mean absolute error",
    "mse": "the mean squared error",
}
SPLITS = {
    "tail": "the last {share} of the patches validated",
    "random": "{share} of the patches, drawn at random, validated",
    "by-volume": "the patches of whole volumes, {share} of them, validated",
}


def methods(
    study: Study, volumes: Mapping[str, int], versions: Mapping[str, str], commit: str
) -> str:
    """A paragraph on everything that a reader needs to do the same.

    Parameters
    ----------
    study : Study
    volumes : mapping
        Number of test volumes by the name of each test set.
    versions : mapping
        Of csbdeep and tensorflow.
    commit : str
    """
    trained = [model for model in study.models.values() if not model.pretrained]
    sentences = [*_networks(trained, versions)] if trained else []
    sentences += [_patches(study, name) for name in dict.fromkeys(m.patches_of for m in trained)]
    sentences += _by_model("Training took", trained, _length)
    sentences += _by_model("Adam had a learning rate of", trained, _rate)
    sentences += _by_model("Networks began", trained, _beginning)
    sentences += [
        f"The network {model.name} was made elsewhere and is scored as it is."
        for model in study.models.values()
        if model.pretrained
    ]
    sentences += [_tests(study, volumes), *_filters(study), _scores(study)]
    sentences.append(f"Random numbers came from the seed {study.seed}.")
    sentences.append(f"Commit of the workflow: {commit}.")
    return " ".join(sentences)


def _networks(models: list[Model], versions: Mapping[str, str]) -> list[str]:
    settings = [model.training for model in models]
    residual = "residual " if all(one.residual for one in settings) else ""
    return [
        "Networks were trained for content-aware restoration (CARE; Weigert et al., Nature Methods"
        f" 15, 1090, 2018) with csbdeep {versions['csbdeep']} and TensorFlow"
        f" {versions['tensorflow']}: {residual}U-Nets of depth {_values(settings, 'depth')} with"
        f" kernels of {_values(settings, 'kernel')} voxels and {_values(settings, 'width')}"
        " features at the first level.",
        f"They minimised {' or '.join(LOSSES[loss] for loss in _all(settings, 'loss'))}.",
        *_particulars(settings),
    ]


def _particulars(settings: list[Training]) -> list[str]:
    """What only some studies do."""
    sentences = []
    if any(one.scale_weight for one in settings):
        power = _values(settings, "scale_weight")
        sentences.append(
            f"In training, each voxel was weighed by its predicted scale to the power of {power}."
        )
    if any(one.augment for one in settings):
        sentences.append("Patches were flipped and rotated by 90 degrees in XY at random.")
    if restarts := max(one.restarts for one in settings):
        sentences.append(
            "A training whose network returned its input began again with other weights, up to"
            f" {restarts} times."
        )
    return sentences


def _patches(study: Study, name: str) -> str:
    dataset = study.datasets[name]
    shape = " x ".join(map(str, dataset.patches.shape))
    trained = [model.training for model in study.models_with_patches_of(name)]
    share = f"{100 * study.validation_fraction:g} %"
    split = " or ".join(SPLITS[kind].format(share=share) for kind in _all(trained, "split"))
    return f"On {dataset.label}, they saw patches of {shape} voxels, {_cut(dataset)}; {split}."


def _cut(dataset: Dataset) -> str:
    low, high = dataset.patches.percentiles
    normalised = f"of images to restore, the percentiles {low:g} and {high:g} became 0 and 1"
    if dataset.patches.source == "npz":
        came = "as csbdeep saved them" if dataset.is_npz else "as they came in the archive"
        return f"{came}; {normalised}"
    return (
        f"{dataset.patches.per_volume} cut from each training image at places that show more than"
        f" background; {normalised}"
    )


def _by_model(what: str, models: list[Model], said: Callable[[Training], str]) -> list[str]:
    """A sentence on each model, those together of which the same is said."""
    groups: dict[str, list[str]] = {}
    for model in models:
        groups.setdefault(said(model.training), []).append(model.name)
    if len(groups) < 2:
        return [f"{what} {text}." for text in groups if text]
    listed = "; ".join(f"{', '.join(names)}: {text or 'none'}" for text, names in groups.items())
    return [f"{what}, by model: {listed}."]


def _length(training: Training) -> str:
    return (
        f"{training.epochs} epochs of {training.steps_per_epoch} steps of {training.batch_size}"
        " patches"
        + (f" of {training.training_volumes} volumes" if training.training_volumes else "")
    )


def _rate(training: Training) -> str:
    rate = f"{training.learning_rate:g}"
    if training.warmup_steps:
        rate += f", reached over {training.warmup_steps} steps,"
    if training.schedule == "cosine":
        return f"{rate} that fell as a cosine"
    return (
        f"{rate} that fell by a factor of {training.plateau_factor:g} after"
        f" {training.plateau_patience} epochs without a lower validation loss"
    )


def _beginning(training: Training) -> str:
    if training.start_from is not None:
        return f"with the weights of {training.start_from}"
    is_identity = training.initial_weights == "identity"
    return "as the identity, with last layers of zeros" if is_identity else "with random weights"


def _tests(study: Study, volumes: Mapping[str, int]) -> str:
    counts = [
        f"{volumes[name]} of {study.datasets[name].label}"
        for name in study.tested_datasets
        if name in volumes
    ]
    return (
        "The weights of the epoch with the lowest validation loss restored images that had been"
        f" held out: {', '.join(counts)}."
    )


def _filters(study: Study) -> list[str]:
    if not study.baselines:
        return []
    names = ", ".join(BASELINES[name].label for name in study.baselines)
    return [f"Filters ({names}) had their strengths chosen on validation patches."]


def _scores(study: Study) -> str:
    words = PROTOCOLS[study.protocols[0]].description
    return f"Scores ({study.protocols[0]}): {words[0].lower()}{words[1:]}"


def _all(settings: Iterable[Any], name: str) -> list[Any]:
    return list(dict.fromkeys(getattr(one, name) for one in settings))


def _values(settings: Iterable[Any], name: str) -> str:
    """The values of a setting, such as "4, 8 or 16"."""
    *first, last = map(str, sorted(_all(settings, name)))
    return f"{', '.join(first)} or {last}" if first else last
