"""Networks made elsewhere, scored as they are or trained further: what their folders say of them.

A csbdeep model folder holds config.json and the weights.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from denoising.study.errors import StudyError
from denoising.study.network_files import described_network
from denoising.study.networks import ARCHITECTURE, COURSE
from denoising.study.paths import check_no_wildcard, expanded
from denoising.study.study import Dataset, Model
from denoising.study.training import Training


@dataclass(frozen=True)
class Network:
    """A csbdeep network as its config.json describes it.

    `axes` are those of space, in the network's order; `channels` is how many it takes and gives;
    `settings` are the keys of the config's `training` that the file tells.
    """

    axes: str
    channels: int
    settings: dict[str, Any]


def read_network(key: str, folder: str, else_expected: str = "") -> Network:
    """Read the config.json of a csbdeep model folder.

    Parameters
    ----------
    key : str
        Of the config, which names the folder; for messages.
    folder : str
    else_expected : str
        What the key could hold instead, such as "a model of this study"; for messages.

    Raises
    ------
    StudyError
        If it is no csbdeep model folder with weights, its config.json lacks what a network needs,
        or it gives another number of channels than it takes.
    """
    expected = f"a csbdeep model folder{f', or {else_expected}' if else_expected else ''}"
    check_no_wildcard(key, folder)
    path = Path(folder)
    is_folder = os.path.isdir(folder)  # it knows names that are too long, too
    found = {"config.json": "config.json", "weights (*.h5)": "*.h5"}
    missing = [
        name
        for name, pattern in found.items()
        if not is_folder or not any(file.is_file() for file in path.glob(pattern))
    ]
    if missing:
        here = f"the folder has no {' and no '.join(missing)}" if is_folder else "no folder"
        raise StudyError(f"{key} is {folder}, expected {expected}; {path.absolute()}: {here}.")
    config, fault = described_network(path)
    if fault:
        raise StudyError(f"{key} is {folder}, expected {expected}; {fault}")
    loss = "laplace" if config["probabilistic"] else config.get("train_loss", "mae")
    told = {
        name: config[theirs] for name, theirs in (ARCHITECTURE | COURSE).items() if theirs in config
    }
    taken, given = config["n_channel_in"], config["n_channel_out"]
    if taken != given:
        raise StudyError(
            f"{key} is {folder}, a network that takes {taken} channels and gives {given}, so that"
            " its results have no units and no ground truth: use one that gives as many."
        )
    return Network(
        axes=config["axes"].replace("C", ""),
        channels=taken,
        settings=told | {"loss": loss},
    )


def pretrained_model(key: str, entry: dict[str, Any], config: dict[str, Any]) -> Model:
    """The model of a network made elsewhere; its settings are those that its folder tells.

    Parameters
    ----------
    key : str
        Of the model in the config, such as studies.mine.models.theirs.
    entry : dict
        Of the model's study.
    config : dict

    Raises
    ------
    StudyError
        Naming the key at fault.
    """
    study, _, name = key.rpartition(".models.")
    model = entry["models"][name]
    others = [setting for setting in model if setting not in ("pretrained", "channels")]
    if others:
        raise StudyError(
            f"{key} has pretrained and {', '.join(others)}, but nothing trains a network made "
            "elsewhere: delete one of the two; start_from is what trains such a network further."
        )
    if entry["varies"] is not None:
        raise StudyError(
            f"{key} is pretrained, but {study} varies {entry['varies']} of trainings: move the "
            "model to a study of its own."
        )
    folder = model["pretrained"]
    if not isinstance(folder, str):
        raise StudyError(f"{key}.pretrained is {folder!r}, expected a csbdeep model folder.")
    folder = expanded(folder)
    network = read_network(f"{key}.pretrained", folder)
    channels = _channels(key, model.get("channels", []), network)
    defaults = dict(config["training"])
    seeds = defaults.pop("seeds") or [config["seed"]]
    tested_on = channels or entry["tested_on"] or [defaults["trained_on"]]
    if tested_on == [None]:
        raise StudyError(f"{key} is pretrained: give {study}.tested_on, the datasets it restores.")
    settings = defaults | network.settings
    settings |= {"trained_on": tested_on[0], "training_volumes": None, "start_from": None}
    seed = tuple(seeds[:1])
    return Model(name, Training(**settings), seed, tuple(tested_on), folder, tuple(channels))


def _channels(key: str, channels: Any, network: Network) -> list[str]:
    """The datasets that a network of several channels takes together; none for one of one."""
    if network.channels == 1:
        if channels:
            raise StudyError(f"{key}: the network takes one channel: delete channels.")
        return []
    if not isinstance(channels, list) or len(set(map(str, channels))) != network.channels:
        raise StudyError(
            f"{key}: the network takes {network.channels} channels, but channels is {channels}:"
            f" name {network.channels} datasets there, each with one channel of the same files"
            " (pairs.channel), in the network's order."
        )
    return list(map(str, channels))


def check_start(key: str, settings: Mapping[str, Any], models: Mapping[str, Model]) -> None:
    """Refuse a start that is no model before this one and no folder, or is another network.

    Parameters
    ----------
    key : str
        Of the start in the config.
    settings : mapping
        Of the training.
    models : mapping
        Those before this one.
    """
    start = settings["start_from"]
    if start in models:
        theirs: Mapping[str, Any] = vars(models[start].training)
    else:
        earlier = f"a model that stands before this one ({', '.join(models) or 'there is none'})"
        theirs = _of_one_channel(key, start, earlier).settings
    pairs = {name: (theirs[name], settings[name]) for name in ARCHITECTURE}
    if "laplace" in (theirs["loss"], settings["loss"]):  # of a network of two outputs
        pairs["loss"] = (theirs["loss"], settings["loss"])
    differ = [
        f"{name} is {one} there, {two} here" for name, (one, two) in pairs.items() if one != two
    ]
    if differ:
        raise StudyError(
            f"{key} is {start}, another network than this model's: {', '.join(differ)}; set the "
            "model's as they are there."
        )


def check_axes(model: Model, models: Mapping[str, Model], datasets: Mapping[str, Dataset]) -> None:
    """Refuse a network of other axes than the patches that calibrate it or train it further."""
    dataset = datasets[model.patches_of]
    start = model.training.start_from
    odd = [name for name in model.channels if datasets[name].patch_axes != dataset.patch_axes]
    if odd:
        raise StudyError(
            f"model {model.name}: its channels {odd[0]} and {dataset.name} have other axes,"
            " expected one channel each of the same files."
        )
    if model.pretrained:
        key, source = "pretrained", model.pretrained
        axes = read_network(f"model {model.name}: pretrained", source).axes
        fits = set(axes) == set(dataset.patch_axes)
    elif start is not None:
        key, source = "start_from", start
        axes = (
            datasets[models[start].patches_of].patch_axes
            if start in models
            else read_network(f"model {model.name}: start_from", start).axes
        )
        fits = axes == dataset.patch_axes
    else:
        return
    if not fits:
        raise StudyError(
            f"model {model.name}: {key} is {source}, a network of the axes {axes}, but the images "
            f"of {dataset.name} have {dataset.axes}: choose images or a network of the same axes."
        )


def _of_one_channel(key: str, folder: str, else_expected: str = "") -> Network:
    """`read_network`, less networks of several channels, which are not trained here."""
    network = read_network(key, folder, else_expected)
    if network.channels > 1:
        raise StudyError(
            f"{key} is {folder}, a network that takes {network.channels} channels, but trainings "
            "are of one channel: name it in pretrained, which scores it as it is."
        )
    return network
