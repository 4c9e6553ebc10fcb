"""Restoring many new images: each once, with a picture of it and a row in a table.

    OUTPUT/NAME.tif                the restoration
    OUTPUT/scale/NAME.tif          the predicted scale, of one probabilistic network
    OUTPUT/spread/NAME.tif         the standard deviation between several networks
    OUTPUT/quicklooks/NAME.png     sections of the image and of these
    OUTPUT/quicklooks/NAME.json    the image's row of the table, what it was restored from, and
                                   what the viewer shows of it
    OUTPUT/quicklooks/viewer.html  the viewer: input beside restoration, and the table
    OUTPUT/new_images.csv          the table

An image is restored again if it, the network or the settings have changed. The table has a row per
image, in `COLUMNS`; noise and contrast are of the normalised image (see `appearance`).
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from denoising.images.appearance import appearance, outside
from denoising.images.headers import Header
from denoising.images.percentiles import blocks
from denoising.images.slabs import NoRoomError
from denoising.images.volumes import INPUT_PERCENTILES
from denoising.restoration.album_page import write_album_page
from denoising.restoration.new_images import (
    OpenedImage,
    Restored,
    Wish,
    open_image,
    restore_image,
    write_restored,
)
from denoising.restoration.overlap import overlapped
from denoising.restoration.quicklooks import draw, view
from denoising.restoration.restorer import Restorer
from denoising.running.checksums import sha256_of, sha256_of_image
from denoising.running.outputs import whole, write_json
from denoising.study.names import QUICKLOOKS

progress = logging.getLogger("progress")  # printed on the console too

COLUMNS = (
    "image", "restored", "axes", "shape", "dtype", "voxel_size_um", "low", "high", "saturated",
    "noise", "contrast", "fineness", "remarks",
)  # fmt: skip
SATURATED = 0.001  # share of voxels with the largest value, from which it is remarked
SAME_SIZE = 0.1  # relative difference between sizes of a voxel that is not remarked
BLOCK = {2: (64, 64), 3: (16, 32, 32)}  # of networks that do not tell their patches


@dataclass(frozen=True)
class Networks:
    """Networks whose mean restores images, and what is known of their training.

    Attributes
    ----------
    restorers : list of Restorer
    sha256 : list of str
        Of each network's config and weights.
    training : dict
        Of training.json: seen, patch_shape, voxel_size, percentiles; empty where that is not known.
    """

    restorers: list[Restorer]
    sha256: list[str]
    training: dict[str, Any]

    @classmethod
    def of(cls, restorers: Mapping[Path, Restorer]) -> "Networks":
        """Those of model folders."""
        files = [file for folder in restorers for file in sorted(folder.glob("*.*"))]
        defining = [file for file in files if file.suffix == ".h5" or file.name == "config.json"]
        described = next(iter(restorers)) / "training.json"
        training = json.loads(described.read_text()) if described.is_file() else {}
        return cls(list(restorers.values()), [sha256_of(file) for file in defining], training)

    @property
    def percentiles(self) -> tuple[float, float]:
        """Of an image, which are 0 and 1 for the networks: csbdeep's own if they do not tell."""
        low, high = self.training.get("percentiles") or INPUT_PERCENTILES
        return low, high


def restore_album(
    images: Mapping[str, Path],
    networks: Networks,
    wish: Wish,
    output: Path,
    table: Path,
    template: Path,
) -> None:
    """Restore images that are not yet restored, and write the table of all.

    Parameters
    ----------
    images : mapping
        Name to file.
    networks : Networks
    wish : Wish
    output : Path
        A folder. The table is written there too, even if some images cannot be restored.
    table : Path
        Written: CSV.
    template : Path
        Of the viewer's page.

    Raises
    ------
    ValueError
        Naming every image that could not be restored, after all others were.
    """
    output.mkdir(parents=True, exist_ok=True)
    album = Album(images, networks, wish, output)
    rows: dict[str, dict[str, Any]] = {}
    problems = []
    done = overlapped(images, album.read, album.restore, album.write)
    for name, result in tqdm(done, "restored", len(images), unit="image"):
        try:
            rows[name] = result()
        except (ValueError, NoRoomError, MemoryError) as problem:
            said = str(problem) or "takes more memory than there is; give the job more (mem_mb)"
            why = said.removeprefix(f"{images[name]}: ")
            problems.append(f"{images[name]}: {why}")
            rows[name] = {"image": str(images[name]), "remarks": f"not restored: {why}"}
    listed = pd.DataFrame(rows.values(), columns=list(COLUMNS))
    with whole(output / table.name) as file:
        listed.to_csv(file, index=False)
    write_album_page(template, rows, output / QUICKLOOKS)
    if problems:
        raise ValueError(
            f"{len(problems)} of {len(images)} images cannot be restored; {output / table.name} "
            "lists all:\n" + "\n".join(problems)
        )
    with whole(table) as file:
        listed.to_csv(file, index=False)
    progress.info("%d images are restored in %s", len(images), output)


@dataclass(frozen=True)
class Entry:
    """An image of the album between two steps.

    Attributes
    ----------
    name : str
    made_from : dict
        What its restoration depends on.
    opened : OpenedImage or None
    restored : Restored or None
    row : dict or None
        Of the table, of an image that was restored before.
    """

    name: str
    made_from: dict[str, Any]
    opened: OpenedImage | None = None
    restored: Restored | None = None
    row: dict[str, Any] | None = None


@dataclass(frozen=True)
class Album:
    """The three steps of restoring an image, unless it was restored from the same before."""

    images: Mapping[str, Path]
    networks: Networks
    wish: Wish
    output: Path

    def read(self, name: str) -> Entry:
        """Open an image, or find its row."""
        path = self.images[name]
        made_from = {
            "image": sha256_of_image(path),
            "networks": self.networks.sha256,
            "wish": {key: value for key, value in asdict(self.wish).items() if key != "threads"},
        }
        if row := _row_of(self._record(name), made_from):
            return Entry(name, made_from, row=row)
        opened = open_image(path, self.networks.restorers[0], self.wish, self.output)
        return Entry(name, made_from, opened)

    def restore(self, entry: Entry) -> Entry:
        """Restore what was opened, into files without a name."""
        if entry.opened is None:
            return entry
        restored = restore_image(self.networks.restorers, entry.opened, self.output)
        return replace(entry, restored=restored)

    def write(self, entry: Entry) -> dict[str, Any]:
        """Write what was restored, its picture and its record; returns its row of the table."""
        if entry.row is not None:
            return entry.row
        assert entry.restored is not None
        name, path = entry.name, self.images[entry.name]
        file = write_restored(entry.restored, self.output, name, self.wish)
        said = describe(entry.restored, self.networks.training)
        row = {"image": str(path), "restored": str(file)} | said
        if row["remarks"]:
            progress.warning("%s: %s", path, row["remarks"])
        draw(entry.restored, name, row["remarks"], self.output / QUICKLOOKS / f"{name}.png")
        kept = {"row": row, "view": view(entry.restored, name), "made_from": entry.made_from}
        write_json(self._record(name), kept)
        return row

    def _record(self, name: str) -> Path:
        return self.output / QUICKLOOKS / f"{name}.json"


def _row_of(record: Path, made_from: dict[str, Any]) -> dict[str, Any] | None:
    """The row of an image that was restored from the same before, if all of it is still there."""
    try:
        entry = json.loads(record.read_text())
    except (FileNotFoundError, ValueError):
        return None
    is_same = entry["made_from"] == json.loads(json.dumps(made_from))
    return entry["row"] if is_same and Path(entry["row"]["restored"]).exists() else None


def describe(restored: Restored, training: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of an image: its row of the table, without files.

    Parameters
    ----------
    restored : Restored
    training : mapping
        As in `Networks`.
    """
    header = restored.header
    frame = restored.source[restored.middle]
    bounds = restored.normalisations[len(restored.normalisations) // 2]
    patch = training.get("patch_shape") or BLOCK[frame.ndim]
    found = appearance(frame, bounds, patch)
    share, most = saturation(frame)
    remarks = _unlike_training(found, header, training)
    if share > SATURATED:
        remarks.append(f"{share:.2%} of its voxels are saturated at {most:g}")
    voxel = [f"{size:.6g}" if size else "?" for size in header.voxel_size]
    return {
        "axes": restored.frames.order,
        "shape": "x".join(map(str, restored.mean.shape)),
        "dtype": header.dtype.name,
        "voxel_size_um": " ".join(voxel),
        "low": bounds.low,
        "high": bounds.high,
        "saturated": round(share, 6),
        **{measure: float(f"{value:.4g}") for measure, value in found.items()},
        "remarks": "; ".join(remarks),
    }


def saturation(frame: np.ndarray) -> tuple[float, float]:
    """Share of the voxels that have the largest value, and that value."""
    most = max(float(np.max(frame[block])) for block in blocks(frame))
    count = sum(int(np.count_nonzero(frame[block] == most)) for block in blocks(frame))
    return count / frame.size, most


def _unlike_training(
    found: Mapping[str, float], header: Header, training: Mapping[str, Any]
) -> list[str]:
    """In what the image differs from those that the network was trained on."""
    if "seen" not in training:
        return []
    said = outside(found, training["seen"])
    remarks = [f"{' and '.join(said)} than any the network was trained on"] if said else []
    sizes = zip("ZYX", header.voxel_size, training.get("voxel_size") or (), strict=False)
    for axis, here, there in sizes:
        if here and there and abs(here / there - 1) > SAME_SIZE:
            remarks.append(f"its voxels are {here:.3g} µm along {axis}, in training {there:.3g} µm")
    return remarks
