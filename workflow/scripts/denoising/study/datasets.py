"""Datasets of a config, resolved to `Dataset` and checked by themselves."""

import re
from collections.abc import Sequence
from typing import Any

from denoising.study.baselines import RESERVED
from denoising.study.errors import StudyError
from denoising.study.layouts import LAYOUTS
from denoising.study.names import INTERVALS, SCALES
from denoising.study.paths import check_no_wildcard, expanded
from denoising.study.sources import Archive, Npz, Pairs, Simulation
from denoising.study.study import Condition, Dataset, NucleiSettings, PatchSettings

SOURCES = {"simulate": Simulation, "archive": Archive, "pairs": Pairs, "npz": Npz}
PATHS = ("low", "high", "path")  # keys of a source that hold paths
# Layouts of the published archives; simulated archives have the layout of their species
SPECIES_LAYOUTS = {"planaria": "folders", "tribolium": "stacks"}


def resolve_dataset(name: str, config: dict[str, Any]) -> Dataset:
    """Resolve and check one entry of `datasets`.

    Parameters
    ----------
    name : str
        Its key.
    config : dict
        Its values, with the schema's defaults filled in.

    Raises
    ------
    StudyError
        Naming the key at fault.
    """
    key = f"datasets.{name}"
    source_key = _source_key(key, config)
    if source_key == "pairs":
        _check_pairs(key, config)
    elif source_key == "npz":
        _check_npz(key, config)
    else:
        _check_layout(key, config)
    if source_key == "archive":
        _check_archive(key, config["archive"])
    if source_key == "simulate":
        _check_simulation(key, config)
    dataset = Dataset(
        name=name,
        label=config["label"] or name,
        table=config["table"] or f"table_{name}",
        published=config["published"],
        axes=_axes(source_key, config),
        source=SOURCES[source_key](**_with_paths(_with_tuples(config[source_key]))),
        layout=config["layout"],
        truth=config["truth"],
        conditions=_conditions(source_key, config),
        stratum=config["stratum"],
        voxel_size=_tuple(config["voxel_size"]),
        nuclei=NucleiSettings(**config["nuclei"]) if config["nuclei"] else None,
        patches=_patches(source_key, config["patches"]),
    )
    _check_conditions(key, dataset)
    _check_exposures(key, dataset)
    _check_lengths(key, dataset)
    _check_stratum(key, dataset.stratum)
    check_percentiles(f"{key}.patches.percentiles", dataset.patches.percentiles)
    _check_nuclei(key, dataset)
    return dataset


def _tuple(values: list | None) -> tuple | None:
    return None if values is None else tuple(values)


def _with_tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}


def _with_paths(source: dict[str, Any]) -> dict[str, Any]:
    return {
        key: expanded(value) if key in PATHS and value is not None else value
        for key, value in source.items()
    }


def _axes(source_key: str, config: dict[str, Any]) -> str:
    if source_key == "npz":
        return "ZYX"[-len(config["patches"]["shape"]) :]
    return config["pairs"]["axes"] if source_key == "pairs" else "ZYX"


def _patches(source_key: str, config: dict[str, Any]) -> PatchSettings:
    """An npz names its axes itself; an archive's has the published ones unless the config says."""
    default = None if source_key == "npz" else "SCZYX"
    return PatchSettings(**_with_tuples(config | {"axes": config["axes"] or default}))


def _conditions(source_key: str, config: dict[str, Any]) -> tuple[Condition, ...]:
    """The conditions; pairs have one, which is called low, and an npz tells none."""
    if source_key == "pairs":
        return (Condition("low", "low"),)
    return tuple(Condition(**condition) for condition in config["conditions"])


def _source_key(key: str, config: dict[str, Any]) -> str:
    given = [source for source in SOURCES if source in config]
    if len(given) != 1:
        raise StudyError(
            f"{key} has {' and '.join(given) or 'no source'}, expected exactly one of "
            f"{', '.join(SOURCES)}."
        )
    return given[0]


def _check_pairs(key: str, config: dict[str, Any]) -> None:
    if config["conditions"]:
        raise StudyError(
            f"{key}.conditions cannot be given with pairs, whose one condition is called low."
        )
    if config["patches"]["source"] != "volumes":
        raise StudyError(f"{key}.patches.source is npz, but pairs bring no npz: set it to volumes.")


def _check_npz(key: str, config: dict[str, Any]) -> None:
    if config["conditions"]:
        raise StudyError(f"{key}.conditions cannot be given with npz, which does not tell them.")
    if config["patches"]["source"] != "npz":
        raise StudyError(
            f"{key}.patches.source is volumes, but an npz brings patches alone: set it to npz."
        )
    check_no_wildcard(f"{key}.npz.path", config["npz"]["path"])


def _check_layout(key: str, config: dict[str, Any]) -> None:
    layout = LAYOUTS[config["layout"]]
    if not config["conditions"]:
        raise StudyError(
            f"{key}.conditions is empty, expected the low-SNR conditions, the cleanest first."
        )
    sources = [condition["source"] for condition in config["conditions"]]
    places = {"truth": config["truth"]}
    places |= {f"conditions.{i}.source": source for i, source in enumerate(sources)}
    for place, value in places.items():
        is_negative = isinstance(value, int) and value < 0
        if not isinstance(value, layout.source) or is_negative:
            raise StudyError(
                f"{key}.{place} is {value!r}, but layout {config['layout']} needs "
                f"{layout.source_words}."
            )
    if len(set(places.values())) < len(places):
        raise StudyError(
            f"{key}: truth and conditions must come from different sources, found "
            f"{list(places.values())}."
        )


def _check_archive(key: str, archive: dict[str, Any]) -> None:
    given = [source for source in ("url", "path") if archive[source]]
    if len(given) != 1:
        raise StudyError(
            f"{key}.archive has {' and '.join(given) or 'neither url nor path'}, expected exactly "
            "one of url, path."
        )
    if (archive["url"] or "").startswith("http:") and not archive["allow_http"]:
        raise StudyError(
            f"{key}.archive.url is {archive['url']}, where anybody on the way could change the"
            f" archive: give an https address, or set {key}.archive.allow_http to true."
        )
    path = archive["path"] or ""
    if path.endswith(".npz"):
        raise StudyError(
            f"{key}.archive.path is {path}, but an archive is a tar file: give csbdeep's training "
            f"patches as {key}.npz.path."
        )
    check_no_wildcard(f"{key}.archive.path", path)


def _check_simulation(key: str, config: dict[str, Any]) -> None:
    species = config["simulate"]["species"]
    shape = config["simulate"]["shape"]
    patch = config["patches"]["shape"]
    if config["layout"] != SPECIES_LAYOUTS[species]:
        raise StudyError(
            f"{key}.layout is {config['layout']}, but archives of {species} have the layout "
            f"{SPECIES_LAYOUTS[species]}."
        )
    if len(patch) == 3 and any(p > s for p, s in zip(patch, shape, strict=True)):
        raise StudyError(
            f"{key}.patches.shape is {patch}, larger than the simulated volumes of {shape}."
        )
    if species == "tribolium" and config["patches"]["source"] == "volumes":
        raise StudyError(
            f"{key}.patches.source is volumes, but archives of tribolium bring no training "
            "volumes: set it to npz."
        )


def _check_conditions(key: str, dataset: Dataset) -> None:
    names = dataset.condition_names
    taken = (*RESERVED, SCALES, INTERVALS)
    if len(set(names)) < len(names) or set(names) & set(taken):
        raise StudyError(
            f"{key}.conditions are named {', '.join(names)}: names must differ, and not be "
            f"{' or '.join(taken)}."
        )


def _check_exposures(key: str, dataset: Dataset) -> None:
    missing = [c.name for c in dataset.conditions if c.exposure is None]
    if 0 < len(missing) < len(dataset.conditions):
        raise StudyError(
            f"{key}.conditions: {', '.join(missing)} has no exposure; give it for every condition, "
            "or for none."
        )


def _check_lengths(key: str, dataset: Dataset) -> None:
    given = {"patches.shape": dataset.patches.shape, "voxel_size": dataset.voxel_size}
    if dataset.may_train_on_planes and dataset.patch_axes == "YX":
        del given["patches.shape"]
    for place, values in given.items():
        if values is not None and len(values) != len(dataset.axes):
            raise StudyError(
                f"{key}.{place} is {list(values)}, expected a value for each of the axes "
                f"{dataset.axes}."
            )


def _check_nuclei(key: str, dataset: Dataset) -> None:
    if dataset.nuclei is None:
        return
    if dataset.voxel_size is None:
        raise StudyError(
            f"{key}.nuclei is in micrometres, but {key}.voxel_size is not given: add it, or leave "
            "nuclei out."
        )
    if dataset.nuclei.diameter < max(dataset.voxel_size):
        raise StudyError(
            f"{key}.nuclei.diameter is {dataset.nuclei.diameter}, expected micrometres, and at "
            f"least the longest edge of a voxel, {max(dataset.voxel_size)}."
        )


def check_percentiles(key: str, percentiles: Sequence[float] | None) -> None:
    """Refuse percentiles of which the lower is not the first."""
    if percentiles is not None and not percentiles[0] < percentiles[1]:
        raise StudyError(f"{key} is {list(percentiles)}, expected the lower one first.")


def _check_stratum(key: str, pattern: str | None) -> None:
    if pattern is None:
        return
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise StudyError(
            f"{key}.stratum is {pattern!r}, which is no regular expression: {error}."
        ) from None
    if groups != 1:
        raise StudyError(
            f"{key}.stratum is {pattern!r} with {groups} groups, expected one group: the stratum."
        )
