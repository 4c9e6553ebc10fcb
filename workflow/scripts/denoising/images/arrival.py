"""What an archive turned out to be.

Details of the published archives are known from other people's descriptions alone, so they are
looked at when an archive arrives. A difference is said, and stops nothing: what the workflow cannot
use is refused where it is read.
"""

import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from denoising.images.archive_names import below_top
from denoising.images.archives import NPZ, Contents
from denoising.images.noise import noise
from denoising.images.npz import npz_text, open_array, typical_range
from denoising.images.volumes import open_volume, read_listing
from denoising.running.names import first_of
from denoising.running.outputs import write_json
from denoising.study.names import TRUTH

progress = logging.getLogger("progress")  # printed on the console too

MOST_NAMES = 5
# Noise is measured in so many volumes, in so many planes at the middle of each; values in so many
# patches
VOLUMES = 3
PLANES = 8
PATCHES = 64
# Conditions that are alike to within this factor are in no order
ALIKE = 1.1
# A length of a volume that is published as "about" may differ by this factor
ABOUT = 1.25
POWERS = re.compile(r"(?:^|_)(\d*\.\d+(?:_\d+(?:\.\d+)?)+)(?=_|$)")

Sources = Mapping[str, str | int]


def report(
    contents: Contents, volumes: Path, sources: Sources, published: Mapping[str, str] | None
) -> dict[str, Any]:
    """What an archive held, and how that differs from the config and from what is published.

    Parameters
    ----------
    contents : Contents
    volumes : Path
        The folder that it was unpacked to.
    sources : mapping of str to (str or int)
        The folder or channel of the ground truth and of each condition, the cleanest first.
    published : mapping, optional
        The row of `resources/published_volumes.csv`, if it is a published archive.

    Returns
    -------
    dict
        `found`, and `differences` as sentences.
    """
    found = _found(contents, volumes, sources)
    differences = [*_in_files(found)]
    if found["channels"]:
        differences += _in_channels(found, sources, is_published=published is not None)
    differences += _in_noise(found["noise"], sources)
    if published is not None:
        differences += _from_published(found, published)
    return {"found": found, "differences": differences}


def write_report(entry: dict[str, Any], archive: Path, path: Path) -> None:
    """Write the report as JSON, and print each difference."""
    for difference in entry["differences"]:
        progress.warning("%s: %s", archive, difference)
    write_json(path, {"archive": str(archive), **entry})


def _found(contents: Contents, volumes: Path, sources: Sources) -> dict[str, Any]:
    below = {name: below_top(name) for name in contents.names}
    tops = {
        name.removesuffix(data).rstrip("/")
        for name, data in below.items()
        if data.startswith(("test_data/", "train_data/"))
    }
    tests = [data for data in below.values() if data.startswith("test_data/")]
    hidden = [data for data in tests if PurePosixPath(data).name.startswith(".")]
    listing = read_listing(volumes)
    truths = listing[listing["condition"] == TRUTH]
    npz = volumes / NPZ.replace("train_data", "train")
    return {
        "top_folders": sorted(tops),
        "beside_the_data": sorted(
            name for name, data in below.items() if not data.startswith(("test_", "train_data"))
        ),
        "test_files": sorted(set(tests) & contents.images.keys()),
        "unused_test_files": sorted(set(tests) - contents.images.keys() - set(hidden)),
        "test_volumes": int((truths["part"] == "test").sum()),
        "training_volumes": int((truths["part"] == "train").sum()),
        "shapes": sorted(set(truths["shape"])),
        "dtypes": sorted(set(listing["dtype"])),
        "channels": sorted({count for count in contents.images.values() if count is not None}),
        "noise": _noise(volumes, truths[truths["part"] == "test"], list(sources)),
        "patches": _patches(contents.archive, npz) if npz.exists() else None,
    }


def _noise(volumes: Path, truths: pd.DataFrame, conditions: list[str]) -> dict[str, float]:
    """Noise of the ground truth and of each condition; medians of some of the test volumes."""
    names = truths["volume"].sort_values().tolist()
    chosen = names[:: max(1, len(names) // VOLUMES)][:VOLUMES]
    medians = {}
    for condition in conditions:
        measured = []
        for name in chosen:
            image = open_volume(volumes / f"test/{condition}/{name}.tif", "ZYX", volumes)
            first = max(0, (len(image) - PLANES) // 2)
            measured.append(noise(image[first : first + PLANES]))
        medians[condition] = float(f"{np.median(measured):.3g}")
    return medians


def _patches(archive: Path, npz: Path) -> dict[str, Any]:
    """Shape, axes and values of the arrays of an npz, for errors under its name in the archive."""
    try:
        return _described(npz)
    except ValueError as error:
        raise ValueError(f"{archive}: {str(error).replace(str(npz), NPZ)}") from None


def _described(npz: Path) -> dict[str, Any]:
    arrays = {name: open_array(npz, name) for name in "XY"}
    values = {}
    for name, array in arrays.items():
        _, part = next(array.parts())
        values[name] = [float(f"{value:.3g}") for value in typical_range(part[:PATCHES])]
    return {
        "shape": list(arrays["X"].shape),
        "dtype": arrays["X"].dtype.name,
        "axes": npz_text(npz, "axes"),
        "values": values,
    }


def _in_files(found: Mapping[str, Any]) -> Iterator[str]:
    tops = found["top_folders"]
    if len(tops) > 1:
        yield f"its data lie below {len(tops)} top folders ({_first(tops)}), expected one."
    if not any("readme" in name.lower() for name in found["beside_the_data"]):
        yield f"has no Readme beside its data; found {_first(found['beside_the_data'])}."
    if unused := found["unused_test_files"]:
        yield f"no volume comes from {_first(unused)}; see the dataset's layout and conditions."


def _in_channels(found: Mapping[str, Any], sources: Sources, is_published: bool) -> Iterator[str]:
    channels = found["channels"]
    if set(channels) != {len(sources)}:
        counts = " or ".join(map(str, channels))
        yield f"its stacks have {counts} channels, of which the config names {len(sources)}."
    order = [int(channel) for channel in sources.values()]
    names = [PurePosixPath(file).stem for file in found["test_files"]]
    powers = {name: _powers(name, max(channels)) for name in names}
    if is_published and not any(powers.values()):
        yield f"its names carry no laser powers such as 0.1_0.2_0.5_20; found {_first(names)}."
    for name, values in powers.items():
        if values and sorted(order, key=lambda channel: -values[channel]) != order:
            yield (
                f"{name} names the laser powers {values} of its channels, but the config has them,"
                f" the ground truth and the cleanest first, as channels {order}; see the dataset's"
                " truth and conditions."
            )


def _powers(name: str, channels: int) -> list[float]:
    """The laser power of each channel, if the name of a stack tells it."""
    found = POWERS.search(name)
    powers = [float(text) for text in found[1].split("_")] if found else []
    return powers[:channels] if len(powers) >= channels else []


def _in_noise(measured: Mapping[str, float], sources: Sources) -> Iterator[str]:
    """Conditions are listed with the cleanest first, and the ground truth is cleaner than all."""
    values = list(measured.values())
    if all(after * ALIKE >= before for before, after in zip(values, values[1:], strict=False)):
        return
    in_order = sorted(measured.items(), key=lambda item: item[1])
    listed = ", ".join(f"{name} ({sources[name]}) {value:g}" for name, value in in_order)
    yield (
        f"by noise, the cleanest first, its images are {listed}; the config has"
        f" {', '.join(measured)}: see the dataset's truth and conditions."
    )


def _from_published(found: Mapping[str, Any], published: Mapping[str, str]) -> Iterator[str]:
    count = found["test_volumes"]
    if count != int(published["test_volumes"]):
        yield f"has {count} test volumes, published are {published['test_volumes']}."
    about = [int(published[name]) for name in ("planes", "rows", "columns")]
    for shape in found["shapes"]:
        lengths = list(map(int, shape.split("x")))
        ratios = [a / b for a, b in zip(lengths, about, strict=True)]
        if max(*ratios, *(1 / ratio for ratio in ratios)) > ABOUT:
            yield f"has volumes of {shape}, published are about {'x'.join(map(str, about))}."
    if found["patches"] is None:
        yield f"has no {NPZ}, published are {published['patches']} patches."
    elif found["patches"]["shape"][0] != int(published["patches"]):
        count = found["patches"]["shape"][0]
        yield f"has {count} training patches, published are {published['patches']}."


def _first(names: list[str]) -> str:
    return first_of(names, MOST_NAMES) or "nothing"
