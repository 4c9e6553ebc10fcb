"""From a config to the study that it describes: validated, with defaults, every model resolved."""

import copy
from collections.abc import Mapping
from typing import Any

from denoising.study.baselines import BASELINES
from denoising.study.datasets import check_percentiles, resolve_dataset
from denoising.study.errors import StudyError
from denoising.study.layouts import LAYOUTS
from denoising.study.metrics import PROTOCOLS
from denoising.study.models import check_model, check_run_names, check_sweep, resolve_models
from denoising.study.paths import expanded
from denoising.study.pretrained import read_network
from denoising.study.products import figures, tables
from denoising.study.restoration import NewImages, Restoration
from denoising.study.study import Model, Study
from denoising.study.training import Compute
from denoising.study.validation import fill_in


def resolve(config: dict[str, Any], schema: dict[str, Any]) -> Study:
    """Validate a config against the schema, fill in defaults, and resolve every model.

    Parameters
    ----------
    config : dict
        As read from YAML; not changed.
    schema : dict
        workflow/schemas/config.schema.yaml.

    Raises
    ------
    StudyError
        Naming the key at fault, what it holds, and what was expected.
    """
    config = fill_in(config, with_names(schema))
    if not config["studies"] and not config["restore"]:
        raise StudyError(
            "the config has neither studies nor restore: give studies, with models to train, and "
            "datasets for them; or restore, with images and the folder of a model."
        )
    datasets = {name: resolve_dataset(name, entry) for name, entry in config["datasets"].items()}
    resolved = resolve_models(config, schema)
    for model in resolved.models.values():
        check_model(model, resolved.models, datasets)
    for sweep in resolved.sweeps.values():
        check_sweep(sweep, resolved.models)
    check_run_names(resolved.models)
    # The 2019 study's protocol serves the comparison with its numbers: own images need one alone
    is_compared = any(dataset.published for dataset in datasets.values())
    default = list(PROTOCOLS) if is_compared else list(PROTOCOLS)[:1]
    study = Study(
        title=config["title"],
        note=config["note"],
        seed=config["seed"],
        validation_fraction=config["validation_fraction"],
        datasets=datasets,
        models=resolved.models,
        comparisons=resolved.comparisons,
        sweeps=resolved.sweeps,
        baselines=tuple(config["baselines"]),
        protocols=tuple(config["evaluation"]["protocols"] or default),
        device=config["device"],
        compute=Compute(**config["compute"]),
        restoration=Restoration(**config["restoration"]),
        restore=_new_images(config["restore"], resolved.models),
        tensorboard=config["tensorboard"],
        config=config,
    )
    _check_file_names(study)
    return study


def _new_images(entry: dict[str, Any] | None, models: Mapping[str, Model]) -> NewImages | None:
    if entry is None:
        return None
    check_percentiles("restore.percentiles", entry["percentiles"])
    lists = {key: tuple(value) for key, value in entry.items() if isinstance(value, list)}
    paths = {key: expanded(entry[key]) for key in ("model", "output")}
    methods = [name for model in models.values() for name in (model.name, *model.methods)]
    if entry["model"] not in methods:
        ours = f"a model of this study ({', '.join(models) or 'which has none'})"
        read_network("restore.model", paths["model"], ours)
    images = tuple(map(expanded, entry["images"]))
    return NewImages(**entry | lists | paths | {"images": images})


def with_names(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema, in which baselines, protocols and layouts have the names of their tables."""
    schema = copy.deepcopy(schema)
    keys = schema["properties"]
    keys["baselines"]["items"] = {"enum": list(BASELINES)}
    keys["evaluation"]["properties"]["protocols"]["items"] = {"enum": list(PROTOCOLS)}
    layout = schema["$defs"]["dataset"]["properties"]["layout"]
    layout["enum"] = list(LAYOUTS)
    described = (f"`{name}`: {entry.description}" for name, entry in LAYOUTS.items())
    layout["description"] += "".join(f" {text}" for text in described)
    return schema


def _check_file_names(study: Study) -> None:
    """Refuse two results of one file name, and two datasets that figures would not tell apart."""
    tested = {
        f"datasets.{name}.table": study.datasets[name].table for name in study.tested_datasets
    }
    swept = {f"studies.{sweep.name}.figure": sweep.figure for sweep in study.sweeps.values()}
    labels = {f"datasets.{name}.label": dataset.label for name, dataset in study.datasets.items()}
    _check_names(labels, [])
    _check_names(tested, [product.name for product in tables(study)])
    _check_names(swept, [product.name for product in figures(study)])


def _check_names(given: dict[str, str], names: list[str]) -> None:
    """Refuse a name that two keys give, or that the workflow itself gives to one of its `names`."""
    for name in given.values():
        keys = [key for key, value in given.items() if value == name]
        if len(keys) > 1:
            raise StudyError(f"{' and '.join(keys)} share the name {name}; set one to another.")
        if names.count(name) > 1:
            raise StudyError(
                f"{keys[0]} is {name}, a name reserved for the workflow's own file; set it to "
                "another."
            )
