"""Models and sweeps of a config: each model's settings resolved, and the sample-matched arms."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Any

from denoising.study.baselines import RESERVED
from denoising.study.errors import StudyError
from denoising.study.paths import expanded
from denoising.study.pretrained import check_axes, check_start, pretrained_model
from denoising.study.sources import Simulation
from denoising.study.study import Comparison, Dataset, Model, Sweep
from denoising.study.training import Training
from denoising.study.validation import checked_settings, unknown_key

# The settings whose product is the number of patches that a training sees
LENGTH = ("batch_size", "steps_per_epoch", "epochs")
# The setting that makes up for the varied one, where the number of patches seen is held
MATCHED_BY = {"batch_size": "steps_per_epoch", "steps_per_epoch": "epochs"}


@dataclass
class Models:
    """The models, comparisons and sweeps resolved so far, in the order of the config."""

    config: dict[str, Any]
    schema: dict[str, Any]
    models: dict[str, Model] = field(default_factory=dict)
    comparisons: dict[str, Comparison] = field(default_factory=dict)
    sweeps: dict[str, Sweep] = field(default_factory=dict)  # by figure


def resolve_models(config: dict[str, Any], schema: dict[str, Any]) -> Models:
    """Resolve the config's studies in turn; a study may start from a model of an earlier one.

    Parameters
    ----------
    config : dict
        With the schema's defaults filled in.
    schema : dict

    Raises
    ------
    StudyError
        Naming the key at fault.
    """
    resolved = Models(config, schema)
    for name, entry in config["studies"].items():
        _add_models(name, entry, resolved)
        if entry["varies"] is None:
            _add_comparison(name, entry, resolved)
        else:
            _add_sweep(name, entry, resolved)
    return resolved


def _add_models(name: str, entry: dict[str, Any], resolved: Models) -> None:
    config = resolved.config
    key = f"studies.{name}"
    base = _base_settings(key, entry["base"], resolved)
    for model, differences in entry["models"].items():
        if model in resolved.models or model in RESERVED:
            raise StudyError(
                f"{key}.models.{model}: the name is taken, by another study's model or by "
                f"{', '.join(RESERVED)}."
            )
        if differences and "pretrained" in differences:
            resolved.models[model] = pretrained_model(f"{key}.models.{model}", entry, config)
            continue
        own = checked_settings(f"{key}.models.{model}", differences or {}, resolved.schema)
        settings = {**base, **own}
        seeds = settings.pop("seeds") or [config["seed"]]
        if settings["trained_on"] is None:
            raise StudyError(
                f"{key}.models.{model}: trained_on is missing; give it here, in the base or in "
                "training."
            )
        tested_on = entry["tested_on"] or [settings["trained_on"]]
        if len(set(tested_on)) < len(tested_on):
            raise StudyError(f"{key}.tested_on is {tested_on}, expected each dataset once.")
        if settings["start_from"] is not None:
            settings["start_from"] = expanded(settings["start_from"])
            check_start(f"{key}.models.{model}.start_from", settings, resolved.models)
        resolved.models[model] = Model(model, Training(**settings), tuple(seeds), tuple(tested_on))


def _base_settings(key: str, base: str | None, resolved: Models) -> dict[str, Any]:
    """Settings, with seeds, from which the models of a study start."""
    if base is None:
        return resolved.config["training"]
    trained = [name for name, model in resolved.models.items() if not model.pretrained]
    if base not in trained:
        earlier = ", ".join(trained) or "there is none"
        raise StudyError(
            f"{key}.base is {base}, expected a model that an earlier study trains: {earlier}."
        )
    model = resolved.models[base]
    return {**vars(model.training), "seeds": model.seeds}


def _add_comparison(name: str, entry: dict[str, Any], resolved: Models) -> None:
    if entry["figure"] is not None:
        raise StudyError(
            f"studies.{name}.figure is given, but the study varies no value: give varies too."
        )
    for key in ("sample_matched", "matched_validation_patches"):
        if entry[key]:
            raise _unmatchable(f"studies.{name}.{key}", entry)
    resolved.comparisons[name] = Comparison(name, tuple(entry["models"]))


def _add_sweep(name: str, entry: dict[str, Any], resolved: Models) -> None:
    varies = entry["varies"]
    training = resolved.config["training"]
    if varies not in training:
        where = f"studies.{name}.varies names {varies}, but training"
        raise StudyError(unknown_key(where, varies, list(training)))
    models = [*entry["models"], *([entry["base"]] if entry["base"] else [])]
    values = {model: _setting(resolved.models[model], varies) for model in models}
    if not all(isinstance(v, Real) and not isinstance(v, bool) for v in values.values()):
        raise StudyError(
            f"studies.{name}.varies is {varies}, which is not a number in every model: {values}."
        )
    figure = entry["figure"] or name
    sweep = Sweep(
        name=name,
        figure=figure,
        varies=varies,
        base=entry["base"],
        models=tuple(sorted(models, key=lambda model: values[model])),
        matched=(),
    )
    if entry["sample_matched"]:
        sweep = _with_matched_arm(sweep, entry, resolved)
    elif entry["matched_validation_patches"]:
        raise StudyError(
            f"studies.{name}.matched_validation_patches is given, but the study has no second arm:"
            " give sample_matched: true too."
        )
    if figure in resolved.sweeps:
        first = resolved.sweeps[figure].name
        raise StudyError(
            f"studies.{first}.figure and studies.{name}.figure share the name {figure}; set one "
            "to another."
        )
    resolved.sweeps[figure] = sweep


def _setting(model: Model, name: str) -> Any:
    return list(model.seeds) if name == "seeds" else getattr(model.training, name)


def _unmatchable(key: str, entry: dict[str, Any]) -> StudyError:
    return StudyError(
        f"{key} is given, but base is {entry['base']} and varies is {entry['varies']}: give the "
        "base whose number of patches is held, and let the study vary "
        f"{' or '.join(MATCHED_BY)}."
    )


def _with_matched_arm(sweep: Sweep, entry: dict[str, Any], resolved: Models) -> Sweep:
    """Add the second arm of a sweep: its models again, each seeing as many patches as the base."""
    key = f"studies.{sweep.name}.sample_matched"
    if sweep.base is None or sweep.varies not in MATCHED_BY:
        raise _unmatchable(key, entry)
    arm = []
    for model in sweep.models:
        if model == sweep.base:
            arm.append(model)
            continue
        matched = f"{model}-matched"
        if matched in resolved.models:
            raise StudyError(
                f"{key}: the name {matched} of a model of the second arm is taken; rename the "
                "other."
            )
        training = _matched(key, resolved.models[model], resolved.models[sweep.base], sweep.varies)
        if patches := entry["matched_validation_patches"]:
            training = replace(training, validation_patches=patches)
        resolved.models[matched] = replace(resolved.models[model], name=matched, training=training)
        arm.append(matched)
    return replace(sweep, matched=tuple(arm))


def _matched(key: str, model: Model, base: Model, varies: str) -> Training:
    """The model's settings, changed so that it sees as many patches as the base."""
    own, held, makes_up = vars(model.training), vars(base.training), MATCHED_BY[varies]
    _check_matchable(key, model, base, varies)
    product = held[varies] * held[makes_up]
    count, rest = divmod(product, own[varies])
    if rest:
        divisors = [number for number in range(1, product + 1) if product % number == 0]
        nearest = sorted(divisors, key=lambda number: abs(number - own[varies]))[:2]
        raise StudyError(
            f"{key}: {model.name} with {varies} {own[varies]} would need {product} / {own[varies]} "
            f"{makes_up}, which is no whole number; give it a {varies} that divides {product}, "
            f"such as {' or '.join(map(str, sorted(nearest)))}."
        )
    matched = replace(model.training, **{makes_up: count})
    # Patience counts epochs: left alone, shorter epochs would let the learning rate fall after
    # fewer patches
    patience = matched.plateau_patience * matched.epochs / base.training.epochs
    return replace(matched, plateau_patience=max(1, round(patience)))


def _check_matchable(key: str, model: Model, base: Model, varies: str) -> None:
    own, held = vars(model.training), vars(base.training)
    others = [name for name in LENGTH if name != varies and own[name] != held[name]]
    if others:
        raise StudyError(
            f"{key}: {model.name} differs from {base.name} in {' and '.join(others)} too, not in "
            f"{varies} alone; leave that as the base has it, or move the model to another study."
        )
    patience = model.training.early_stopping_patience
    if patience is not None:
        raise StudyError(
            f"{key}: {model.name} has early_stopping_patience {patience}, and a training that ends "
            "early sees fewer patches than the base; set it to null in this sweep and its base."
        )


def check_model(model: Model, models: Mapping[str, Model], datasets: Mapping[str, Dataset]) -> None:
    """Hold a model against the datasets that it is trained and tested on.

    Raises
    ------
    StudyError
        If a dataset does not exist, a patch does not fit the network, axes differ, or settings of
        the training exclude one another.
    """
    named = [("tested_on", dataset) for dataset in model.tested_on]
    if not model.pretrained:
        named = [("trained_on", model.trained_on), *named]
    for key, dataset in named:
        if dataset not in datasets:
            raise StudyError(
                f"model {model.name}: {key} is {dataset}, which is none of the datasets: "
                f"{', '.join(datasets) or 'there are none'}."
            )
    trained_on = datasets[model.patches_of]
    check_axes(model, models, datasets)
    if not model.pretrained:
        _check_training(model)
        _check_patches(model, trained_on)
    for name in model.tested_on:
        if datasets[name].is_npz:
            raise StudyError(
                f"model {model.name}: tested_on is {name}, an npz, which has no test volumes: set "
                "tested_on of its study to datasets of pairs or archives."
            )
        # A network of planes restores stacks plane by plane
        if not datasets[name].axes.endswith(trained_on.patch_axes):
            raise StudyError(
                f"model {model.name}: {'calibrated' if model.pretrained else 'trained'} on "
                f"{trained_on.name} with axes {trained_on.axes}, it cannot be tested on {name} "
                f"with axes {datasets[name].axes}."
            )


def _check_training(model: Model) -> None:
    """Refuse settings that exclude one another."""
    training = model.training
    if training.scale_weight and not training.is_probabilistic:
        raise StudyError(
            f"model {model.name}: scale_weight is {training.scale_weight}, but loss is "
            f"{training.loss}, whose networks predict no scale: set scale_weight to 0, or loss to "
            "laplace."
        )
    if training.initial_weights == "identity" and not training.residual:
        raise StudyError(
            f"model {model.name}: initial_weights is identity, but residual is false, so that "
            "nothing adds the input: set residual to true, or initial_weights to csbdeep."
        )


def _check_patches(model: Model, dataset: Dataset) -> None:
    multiple = 2**model.training.depth
    shape = list(dataset.patches.shape)
    if any(size % multiple for size in shape):
        planes = f" For thin stacks set it to {shape[1:]}, which trains on planes one by one."
        raise StudyError(
            f"datasets.{dataset.name}.patches.shape is {shape}, but model {model.name} of depth "
            f"{model.training.depth} needs every edge divisible by {multiple}."
            + (planes if len(shape) == 3 and dataset.may_train_on_planes else "")
        )
    if model.training.split == "by-volume" and dataset.patches.source == "npz":
        raise StudyError(
            f"model {model.name}: split is by-volume, but the published npz of {dataset.name} "
            "does not tell the volumes of its patches: use tail or random."
        )
    _check_training_volumes(model, dataset)


def _check_training_volumes(model: Model, dataset: Dataset) -> None:
    count = model.training.training_volumes
    if count is not None and dataset.patches.source == "npz":
        raise StudyError(
            f"model {model.name}: training_volumes is {count}, but the published npz of "
            f"{dataset.name} does not tell the volumes of its patches: set it to null, or "
            f"datasets.{dataset.name}.patches.source to volumes."
        )
    if count is not None and isinstance(dataset.source, Simulation):
        simulated = dataset.source.train_volumes
        if count > simulated:
            raise StudyError(
                f"model {model.name}: training_volumes is {count}, but {dataset.name} has "
                f"{simulated} training volumes; set it to that number at most."
            )


def check_sweep(sweep: Sweep, models: Mapping[str, Model]) -> None:
    """Refuse a sweep whose models are tested on no dataset in common."""
    tests = {model: list(models[model].tested_on) for model in sweep.models}
    if not set.intersection(*map(set, tests.values())):
        raise StudyError(
            f"studies.{sweep.name} compares models that are tested on no dataset in common: "
            f"{tests}."
        )


def check_run_names(models: Mapping[str, Model]) -> None:
    """Refuse models whose seeds make a run or an ensemble with the name of another model."""
    for model in models.values():
        made = model.methods if len(model.seeds) > 1 else []
        taken = [name for name in made if name in models]
        if taken:
            raise StudyError(
                f"model {model.name}: its seeds {list(model.seeds)} make {taken[0]}, which is the "
                "name of another model; rename one of the two."
            )
