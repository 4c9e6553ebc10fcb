"""Simulated specimens, imaged by simulated microscopes and packed as the published archives are.

An archive is a `.tar.gz` with one top folder in the layout of its species:

    Denoising_Planaria/                        Denoising_Tribolium/
      Readme.md  poster.png  nuclei.csv          Readme.md  poster.png  nuclei.csv
      train_data/data_label.npz                  train_data/data_label.npz
      train_data/{GT,condition_1..3}/NAME.tif    test_data/NAME.tif
      test_data/{GT,condition_1..3}/NAME.tif

    planaria    ZYX; condition 1 is the CLEANEST. The training volumes are our addition.
    tribolium   CZYX, channels 0 to 2 conditions 1 to 3, channel 3 the ground truth;
                condition 1 is the NOISIEST.

TIFF files are uncompressed uint16 with axes in the metadata. `data_label.npz` holds X and Y,
float32 SCZYX (n, 1, *patch_shape), normalised, conditions and volumes mixed, and no `axes`.
`nuclei.csv` lists the nuclei that reach into the test volumes, see `images.volumes`; no published
archive has it.
"""

import gzip
import os
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import pandas as pd
from numpy.lib.format import open_memmap
from PIL import Image

from denoising.images.volumes import NUCLEI_COLUMNS, write_volume
from denoising.running.random_streams import specimen_stream
from denoising.specimens.acquisition import acquire
from denoising.specimens.nuclei import Specimen, simulate_specimen
from denoising.specimens.species import SPECIES, Species
from denoising.study.names import NUCLEI
from denoising.training.patches import cut_patches

EPOCH = 315532800  # 1980-01-01, the earliest date that a zip file can give: that of every entry
TRAINING_NUMBERS = 1000  # added to the numbers in names of training volumes, to tell them apart
CONDITIONS = ("condition_1", "condition_2", "condition_3")


@dataclass(frozen=True)
class ArchiveContents:
    """Contents of a simulated archive: counts of at least 1, shapes (Z, Y, X) in voxels."""

    species: str  # a key of SPECIES
    shape: tuple[int, int, int]  # of every volume
    train_volumes: int
    test_volumes: int
    patches: int  # for training, from all training volumes and conditions
    patch_shape: tuple[int, int, int]
    seed: int  # at least 0


def simulate_archive(path: Path, contents: ArchiveContents) -> None:
    """Write an archive of simulated data, in the published layout of its species.

    Every volume is a specimen of its own, drawn from the seed and its number alone. Patches are
    spread evenly over training volumes and conditions, then shuffled. One volume's images are in
    memory at a time.

    Parameters
    ----------
    path : Path
        Written, a `.tar.gz`, complete or not at all. Equal contents give equal bytes.
    contents : ArchiveContents

    Raises
    ------
    ValueError
        If the contents are not as `ArchiveContents` says, or a patch does not fit a volume.
    """
    _check(path, contents)
    species = SPECIES[contents.species]
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{path.name}-"
    for left_by_killed_process in path.parent.glob(f"{prefix}*"):
        shutil.rmtree(left_by_killed_process)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=prefix) as scratch:
        top = Path(scratch, species.archive)
        _write_training(top / "train_data", contents)
        nuclei = []
        for i in range(contents.test_volumes):
            name, specimen, stack = _acquire_volume(contents, "test", i)
            _write_images(top / "test_data", species, name, stack)
            nuclei.append(_listed_nuclei(name, specimen, species))
            if i == 0:
                Image.fromarray(_poster(stack)).save(top / "poster.png")
        listing = pd.concat(nuclei)
        listing.to_csv(top / NUCLEI, index=False, float_format="%.3f", lineterminator="\n")
        (top / "Readme.md").write_text(_readme(contents))
        _pack(top, Path(scratch, "packed"))
        os.replace(Path(scratch, "packed"), path)


def _check(path: Path, contents: ArchiveContents) -> None:
    def refuse(name: str, expected: str, remedy: str) -> NoReturn:
        value = getattr(contents, name)
        raise ValueError(f"{path}: {name} is {value!r}, expected {expected}; {remedy}.")

    if contents.species not in SPECIES:
        refuse("species", f"one of {', '.join(SPECIES)}", "correct the name")
    for name in ("shape", "patch_shape"):
        if not _is_shape(getattr(contents, name)):
            expected = "three whole numbers of voxels (Z, Y, X)"
            refuse(name, expected, "give it as, say, (16, 64, 64)")
    if any(p > n for p, n in zip(contents.patch_shape, contents.shape, strict=True)):
        expected = f"at least patch_shape {contents.patch_shape!r} along every axis"
        refuse("shape", expected, "enlarge it, or cut smaller patches")
    for name in ("train_volumes", "test_volumes", "patches"):
        if not _is_whole(getattr(contents, name), 1):
            refuse(name, "a whole number of at least 1", "ask for one or more")
    if not _is_whole(contents.seed, 0):
        refuse("seed", "a whole number of at least 0", "give such a seed")


def _is_shape(sizes: object) -> bool:
    if not isinstance(sizes, Sequence) or len(sizes) != 3:
        return False
    return all(_is_whole(size, 1) for size in sizes)


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _acquire_volume(
    contents: ArchiveContents, part: str, i: int
) -> tuple[str, Specimen, np.ndarray]:
    """Name, specimen and images of volume `i`: uint16 (4, Z, Y, X), conditions 1 to 3 and truth."""
    species = SPECIES[contents.species]
    turn, which = divmod(i, len(species.preparations))
    preparation = species.preparations[which]
    number = preparation.first + turn + (TRAINING_NUMBERS if part == "train" else 0)
    rng = specimen_stream(contents.seed, species.name, part, i)
    specimen = simulate_specimen(species, contents.shape, rng, preparation)
    images = acquire(specimen.photons, species, (*species.exposures, 1), rng)
    return preparation.stem.format(number), specimen, images


def _listed_nuclei(name: str, specimen: Specimen, species: Species) -> pd.DataFrame:
    """The rows of nuclei.csv for one volume, from top to bottom."""
    places = specimen.centres_um / np.array(species.microscope.voxel_um)
    rows = pd.DataFrame(np.column_stack([places, specimen.radii_um]), columns=NUCLEI_COLUMNS[1:])
    rows.insert(0, NUCLEI_COLUMNS[0], name)
    return rows.sort_values(list(NUCLEI_COLUMNS[1:]))


def _write_images(folder: Path, species: Species, name: str, stack: np.ndarray) -> None:
    if species.layout == "stacks":
        write_volume(folder / f"{name}.tif", stack, "CZYX")
        return
    for source, volume in zip((*CONDITIONS, "GT"), stack, strict=True):
        write_volume(folder / source / f"{name}.tif", volume, "ZYX")


def _write_training(folder: Path, contents: ArchiveContents) -> None:
    """Write data_label.npz and, in the folders layout, the volumes its patches are cut from."""
    folder.mkdir(parents=True)
    species = SPECIES[contents.species]
    shape = (contents.patches, 1, *contents.patch_shape)
    X = open_memmap(folder / "X.npy", "w+", np.float32, shape)
    Y = open_memmap(folder / "Y.npy", "w+", np.float32, shape)
    order = specimen_stream(contents.seed, species.name, "order").permutation(contents.patches)
    images = contents.train_volumes * len(CONDITIONS)
    starts = np.arange(images + 1) * contents.patches // images
    places = iter(np.split(order, starts[1:-1]))  # of each image's patches
    for i in range(contents.train_volumes):
        name, _, stack = _acquire_volume(contents, "train", i)
        if species.layout == "folders":
            _write_images(folder, species, name, stack)
        for condition, image in zip(CONDITIONS, stack[:-1], strict=True):
            own = next(places)
            if len(own):
                rng = specimen_stream(contents.seed, species.name, "patches", i, condition)
                X[own, 0], Y[own, 0] = _cut(contents, i, (stack[-1], image), len(own), rng)
    X.flush()
    Y.flush()
    _join_npz(folder / "data_label.npz", [folder / "X.npy", folder / "Y.npy"])


def _cut(
    contents: ArchiveContents,
    i: int,
    pair: tuple[np.ndarray, np.ndarray],
    count: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Cut `count` patches from training volume `i`, whose ground truth and image are the pair."""
    try:
        return cut_patches(*pair, contents.patch_shape, count, rng)[:2]
    except ValueError as error:
        raise ValueError(
            f"simulated training volume {i}, {contents.shape}: {error} Or enlarge shape, or"
            " change the seed."
        ) from None


def _join_npz(target: Path, arrays: list[Path]) -> None:
    """Move .npy files into an npz file as np.savez writes them, undated and never in memory."""
    with zipfile.ZipFile(target, "w") as npz:
        for array in arrays:
            entry = zipfile.ZipInfo(array.name)  # of 1980-01-01
            entry.create_system = 3  # the same on every platform
            with array.open("rb") as source, npz.open(entry, "w", force_zip64=True) as file:
                shutil.copyfileobj(source, file)
            array.unlink()


def _poster(stack: np.ndarray) -> np.ndarray:
    """Middle planes of conditions 1 to 3 and the ground truth, side by side (uint8)."""
    planes = stack[:, stack.shape[1] // 2].astype(np.float32)
    low = np.percentile(planes, 1, axis=(1, 2), keepdims=True)
    high = np.percentile(planes, 99.8, axis=(1, 2), keepdims=True)
    grey = np.clip((planes - low) / np.maximum(high - low, 1), 0, 1)
    return np.concatenate(np.rint(255 * grey).astype(np.uint8), axis=1)


README_LAYOUTS = {
    "folders": (
        """\
- `test_data/{GT,condition_1,condition_2,condition_3}/*.tif`: ZYX, uint16, the same names in every
  folder. Condition 1 is the cleanest, 3 the noisiest.
- `train_data/{GT,condition_1,condition_2,condition_3}/*.tif`: the volumes that the patches were cut
  from, likewise. They are an addition: the published archive has none."""
    ),
    "stacks": (
        """\
- `test_data/*.tif`: CZYX, uint16. Channels 0, 1, 2 are conditions 1, 2, 3; channel 3 is the ground
  truth. Condition 1 is the noisiest, 3 the cleanest."""
    ),
}


def _readme(contents: ArchiveContents) -> str:
    species = SPECIES[contents.species]
    scope = species.microscope
    exposures = ", ".join(f"1/{round(1 / share)}" for share in species.exposures)
    return f"""# {species.archive}: simulated

These data are SIMULATED, in the layout of the published archive of this name: nothing was imaged.

- `train_data/data_label.npz`: X (low SNR) and Y (ground truth), float32, axes SCZYX;
  {contents.patches} patches of {contents.patch_shape}, normalised by percentiles, conditions mixed.
{README_LAYOUTS[species.layout]}
- `{NUCLEI}`: centre (z, y, x, in voxels from the centre of the first one) and radius (um) of every
  nucleus that reaches into a test volume. It is an addition, too.
- `poster.png`: one plane of conditions 1, 2, 3 and of the ground truth.

Volumes: {contents.train_volumes} to train on, {contents.test_volumes} to test on, of \
{contents.shape} voxels.
Voxels: {scope.voxel_um} um (Z, Y, X).
Exposures of conditions 1, 2, 3: {exposures} of the ground truth's.
Microscope: {scope.name}.
Seed: {contents.seed}.
"""


def _pack(top: Path, target: Path) -> None:
    """Pack folder `top` into a gzipped tar file: sorted, and without date, owner or file name."""

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.mtime = EPOCH
        entry.uid = 0
        entry.gid = 0
        entry.uname = ""
        entry.gname = ""
        entry.mode = 0o755 if entry.isdir() else 0o644
        return entry

    with (
        target.open("wb") as file,
        # level 1: shot noise hardly compresses, however long one tries
        gzip.GzipFile("", "wb", 1, file, EPOCH) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for entry in (top, *sorted(top.rglob("*"))):
            tar.add(entry, entry.relative_to(top.parent).as_posix(), recursive=False, filter=plain)
