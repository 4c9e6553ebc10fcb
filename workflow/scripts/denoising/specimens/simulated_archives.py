"""Simulated specimens, imaged by simulated microscopes and packed as the published archives are.

An archive is a `.tar.gz` with one top folder in the layout of its species:

    Denoising_Planaria/                        Denoising_Tribolium/
      Readme.md  poster.png                      Readme.md  poster.png
      train_data/data_label.npz                  train_data/data_label.npz
      train_data/{GT,condition_1..3}/NAME.tif    test_data/NAME.tif
      test_data/{GT,condition_1..3}/NAME.tif

    planaria    ZYX; condition 1 is the CLEANEST. The training volumes are our addition.
    tribolium   CZYX, channels 0 to 2 conditions 1 to 3, channel 3 the ground truth;
                condition 1 is the NOISIEST.

TIFF files are uncompressed uint16 with axes in the metadata. `data_label.npz` holds X and Y,
float32 SCZYX (n, 1, *patch_shape), normalised, conditions and volumes mixed, and no `axes`.
"""

import gzip
import os
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from PIL import Image

from denoising.images.volumes import write_volume
from denoising.running.random_streams import specimen_stream
from denoising.specimens.acquisition import acquire
from denoising.specimens.nuclei import simulate_specimen
from denoising.specimens.species import SPECIES, Species
from denoising.training.patches import cut_patches

EPOCH = 315532800  # 1980-01-01, the earliest date that a zip file can give: that of every entry
TRAINING_NUMBERS = 1000  # added to the numbers in names of training volumes, to tell them apart
CONDITIONS = ("condition_1", "condition_2", "condition_3")


def simulate_archive(
    path: Path,
    *,
    species: str,
    shape: tuple[int, int, int],
    train_volumes: int,
    test_volumes: int,
    patch_shape: tuple[int, int, int],
    patches: int,
    seed: int,
) -> None:
    """Write an archive of simulated data, in the published layout of its species.

    Every volume is a specimen of its own, drawn from `seed` and its number alone. Patches are
    spread evenly over training volumes and conditions, then shuffled. One volume's images are in
    memory at a time.

    Parameters
    ----------
    path : Path
        Written, a `.tar.gz`, complete or not at all. Equal arguments give equal bytes.
    species : {"planaria", "tribolium"}
    shape, patch_shape : tuple of int
        (Z, Y, X), voxels, of every volume and of every training patch.
    train_volumes, test_volumes, patches : int
        How many, at least 1.
    seed : int
        At least 0.

    Raises
    ------
    ValueError
        If an argument is not of the kind above, or a patch does not fit a volume.
    """
    path = Path(path)
    counts = {"train_volumes": train_volumes, "test_volumes": test_volumes, "patches": patches}
    _check(path, species, shape, patch_shape, counts, seed)
    shape, patch_shape = tuple(map(int, shape)), tuple(map(int, patch_shape))
    kind = SPECIES[species]
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as scratch:
        top = Path(scratch, kind.archive)
        _write_training(top / "train_data", kind, shape, train_volumes, patch_shape, patches, seed)
        for i in range(test_volumes):
            name, stack = _acquired_volume(kind, shape, "test", i, seed)
            _write_acquired(top / "test_data", kind, name, stack)
            if i == 0:
                Image.fromarray(_poster(stack)).save(top / "poster.png")
        (top / "Readme.md").write_text(_readme(kind, shape, patch_shape, counts, seed))
        _pack(top, Path(scratch, "packed"))
        os.replace(Path(scratch, "packed"), path)


def _check(
    path: Path, species: str, shape: tuple, patch_shape: tuple, counts: dict, seed: int
) -> None:
    def refuse(what: str, found, expected: str, remedy: str) -> None:
        raise ValueError(f"{path}: {what} is {found!r}, expected {expected}; {remedy}.")

    def whole(value, least: int) -> bool:
        integer = isinstance(value, int | np.integer) and not isinstance(value, bool)
        return integer and value >= least

    if species not in SPECIES:
        refuse("species", species, f"one of {', '.join(SPECIES)}", "correct the name")
    for what, sizes in (("shape", shape), ("patch_shape", patch_shape)):
        if (
            not isinstance(sizes, Sequence)
            or len(sizes) != 3
            or not all(whole(n, 1) for n in sizes)
        ):
            expected = "three whole numbers of voxels (Z, Y, X)"
            refuse(what, sizes, expected, "give it as, say, (16, 64, 64)")
    if any(p > n for p, n in zip(patch_shape, shape, strict=True)):
        expected = f"at least patch_shape {patch_shape!r} along every axis"
        refuse("shape", shape, expected, "enlarge it, or cut smaller patches")
    for what, count in counts.items():
        if not whole(count, 1):
            refuse(what, count, "a whole number of at least 1", "ask for one or more")
    if not whole(seed, 0):
        refuse("seed", seed, "a whole number of at least 0", "give such a seed")


def _acquired_volume(
    species: Species, shape: tuple[int, int, int], part: str, i: int, seed: int
) -> tuple[str, np.ndarray]:
    """Name and images of volume `i`: uint16 (4, Z, Y, X), conditions 1 to 3 and ground truth."""
    turn, which = divmod(i, len(species.preparations))
    preparation = species.preparations[which]
    number = preparation.first + turn + (TRAINING_NUMBERS if part == "train" else 0)
    rng = specimen_stream(seed, species.name, part, i)
    photons = simulate_specimen(species, shape, rng, preparation)
    return preparation.stem.format(number), acquire(photons, species, (*species.exposures, 1), rng)


def _write_acquired(folder: Path, species: Species, name: str, stack: np.ndarray) -> None:
    if species.layout == "stacks":
        write_volume(folder / f"{name}.tif", stack, "CZYX")
        return
    for source, volume in zip((*CONDITIONS, "GT"), stack, strict=True):
        write_volume(folder / source / f"{name}.tif", volume, "ZYX")


def _write_training(
    folder: Path,
    species: Species,
    shape: tuple[int, int, int],
    volumes: int,
    patch_shape: tuple[int, int, int],
    patches: int,
    seed: int,
) -> None:
    """Write data_label.npz and, in the folders layout, the volumes its patches are cut from."""
    folder.mkdir(parents=True)
    X, Y = (
        open_memmap(folder / name, "w+", np.float32, (patches, 1, *patch_shape))
        for name in ("X.npy", "Y.npy")
    )
    order = specimen_stream(seed, species.name, "order").permutation(patches)
    images_in_all = volumes * len(CONDITIONS)
    limits = iter(np.arange(images_in_all + 1) * patches // images_in_all)
    start = next(limits)
    for i in range(volumes):
        name, stack = _acquired_volume(species, shape, "train", i, seed)
        if species.layout == "folders":
            _write_acquired(folder, species, name, stack)
        for condition, image in zip(CONDITIONS, stack[:-1], strict=True):
            stop = next(limits)
            if stop > start:
                rng = specimen_stream(seed, species.name, "patches", i, condition)
                try:
                    cut = cut_patches(stack[-1], image, patch_shape, int(stop - start), rng)
                except ValueError as error:
                    raise ValueError(
                        f"simulated training volume {i}, {shape}: {error} Or enlarge shape, or"
                        " change the seed."
                    ) from None
                X[order[start:stop], 0], Y[order[start:stop], 0] = cut
            start = stop
    X.flush()
    Y.flush()
    _join_npz(folder / "data_label.npz", [folder / "X.npy", folder / "Y.npy"])


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
    low, high = (np.percentile(planes, q, axis=(1, 2), keepdims=True) for q in (1, 99.8))
    grey = np.clip((planes - low) / np.maximum(high - low, 1), 0, 1)
    return np.concatenate(np.rint(255 * grey).astype(np.uint8), axis=1)


LAYOUTS = {
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


def _readme(species: Species, shape: tuple, patch_shape: tuple, counts: dict, seed: int) -> str:
    scope = species.microscope
    exposures = ", ".join(f"1/{round(1 / share)}" for share in species.exposures)
    return f"""# {species.archive}: simulated

These data are SIMULATED, in the layout of the published archive of this name: nothing was imaged.

- `train_data/data_label.npz`: X (low SNR) and Y (ground truth), float32, axes SCZYX;
  {counts["patches"]} patches of {patch_shape}, normalised by percentiles, conditions mixed.
{LAYOUTS[species.layout]}
- `poster.png`: one plane of conditions 1, 2, 3 and of the ground truth.

Volumes: {counts["train_volumes"]} to train on, {counts["test_volumes"]} to test on, of {shape} \
voxels.
Voxels: {scope.voxel_um} um (Z, Y, X).
Exposures of conditions 1, 2, 3: {exposures} of the ground truth's.
Microscope: {scope.name}.
Seed: {seed}.
"""


def _pack(top: Path, target: Path) -> None:
    """Pack folder `top` into a gzipped tar file: sorted, and without date, owner or file name."""

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = EPOCH, 0, 0, "", ""
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
