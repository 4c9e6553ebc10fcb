"""Model folders from strangers: what their JSON files may hold.

Snakemake itself looks, before TensorFlow builds a network of what stands there. The weights are
only ever read as arrays.
"""

import json
from math import prod
from pathlib import Path
from typing import Any

from denoising.study.validation import first_fault

LARGEST_FILE = 1 << 20  # bytes of a JSON file
BYTES_PER_WEIGHT = 4
_COUNT = {"type": "integer", "minimum": 1, "maximum": 10**6}
_NUMBER = {"type": ["number", "null"]}
CONFIG: dict[str, Any] = {
    "type": "object",
    "properties": {
        "axes": {"type": "string", "pattern": "^[ZYXC]{2,4}$", "expected": "letters of ZYXC"},
        "n_dim": _COUNT,
        "n_channel_in": _COUNT,
        "n_channel_out": _COUNT,
        "probabilistic": {"type": "boolean"},
        "unet_n_first": _COUNT,
        "unet_n_depth": _COUNT | {"maximum": 10},
        "unet_kern_size": _COUNT | {"maximum": 31},
        "unet_residual": {"type": "boolean"},
        "unet_last_activation": {"type": "string"},
        "unet_input_shape": {"type": "array", "items": {"type": ["integer", "null"]}},
        "train_loss": {"type": "string"},
        "train_epochs": _COUNT,
        "train_steps_per_epoch": _COUNT,
        "train_batch_size": _COUNT,
        "train_learning_rate": {"type": "number", "exclusiveMinimum": 0},
        "train_reduce_lr": {"type": ["object", "null"]},
        "train_tensorboard": {"type": "boolean"},
        "train_checkpoint": {"type": ["string", "null"]},
        "train_checkpoint_last": {"type": ["string", "null"]},
        "train_checkpoint_epoch": {"type": ["string", "null"]},
    },
    "additionalProperties": False,  # csbdeep takes no others either
    "required": [
        "axes", "n_channel_in", "n_channel_out", "probabilistic", "unet_n_first", "unet_n_depth",
        "unet_kern_size", "unet_residual", "unet_last_activation",
    ],
}  # fmt: skip
# What restoring reads of training.json, where a training of this workflow wrote it
TRAINING = {
    "type": "object",
    "properties": {
        "sha256": {
            "type": "object",
            "propertyNames": {"enum": ["config.json", "weights_best.h5", "history.csv"]},
            "additionalProperties": {"type": "string"},
        },
        "percentiles": {
            "type": ["array", "null"],
            "items": {"type": "number", "minimum": 0, "maximum": 100},
            "minItems": 2,
            "maxItems": 2,
        },
        "patch_shape": {"type": ["array", "null"], "items": _COUNT, "minItems": 2, "maxItems": 3},
        "voxel_size": {"type": ["array", "null"], "items": _NUMBER, "minItems": 2, "maxItems": 3},
        "seen": {
            "type": ["object", "null"],
            "additionalProperties": {
                "type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3,
            },
        },
    },
}  # fmt: skip


def described_network(folder: Path) -> tuple[dict[str, Any], str | None]:
    """What a model folder's config.json holds, and what is wrong with it or with training.json.

    Parameters
    ----------
    folder : Path
        With config.json and weights.

    Returns
    -------
    config : dict
    fault : str or None
        A sentence.
    """
    config, fault = _read(folder / "config.json", CONFIG)
    fault = fault or _fault_of_network(config, folder)
    if fault is None and (folder / "training.json").exists():
        _, fault = _read(folder / "training.json", TRAINING)
    return config, fault


def _read(file: Path, schema: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    """The JSON document, and a sentence on what is wrong with it."""
    if not file.is_file() or file.stat().st_size > LARGEST_FILE:
        return {}, f"its {file.name} is no file, or is larger than {LARGEST_FILE} bytes."
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return {}, f"its {file.name} is not JSON."
    names = schema.get("required", []) if isinstance(content, dict) else []
    if missing := [name for name in names if name not in content]:
        return {}, f"its {file.name} lacks {', '.join(missing)}."
    fault = first_fault(content, schema)
    return content, f"in its {file.name}, {fault}" if fault else None


def _fault_of_network(config: dict[str, Any], folder: Path) -> str | None:
    """A sentence on a network that cannot be, or that has more weights than its files."""
    axes = config["axes"]
    is_known = set("YX") <= set(axes) <= set("ZYXC") and len(set(axes)) == len(axes)
    if not is_known:
        return f"in its config.json, axes is {axes!r}, expected Y, X, C and perhaps Z, each once."
    space = len(axes.replace("C", ""))
    shape = [None] * space + [config["n_channel_in"]]
    given = config.get("unet_input_shape", shape)
    if given != shape:
        return f"in its config.json, unet_input_shape is {given}, expected {shape}."
    # The two convolutions at the bottom, which have most of the weights
    bottom = config["unet_n_first"] * 2 ** config["unet_n_depth"]
    least = BYTES_PER_WEIGHT * prod([bottom, bottom // 2, *[config["unet_kern_size"]] * space])
    most = max(file.stat().st_size for file in folder.glob("*.h5") if file.is_file())
    if least > most:
        return (
            f"its config.json describes a network of at least {least} bytes of weights, but its"
            f" weights have {most}: copy both files of one training."
        )
    return None
