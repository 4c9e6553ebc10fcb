"""Restoration against stock csbdeep's `predict`, in one piece and with n_tiles (1, 4, 4), in one
run.

Usage: python tests/benchmarks/restoration.py [--device auto|cpu|gpu] [--repeats N] [--width N]

Each kind is a process of its own, in turn, that restores the volume twice: graphs are traced but
once for all volumes of a shape. The fastest counts, which other work on the machine disturbs least,
and of memory the median. Ours is told to take a quarter of the memory that csbdeep takes in one
piece. Memory is all that is resident, of files too, above what the imports take. Then ours and
csbdeep in one piece go from file to files: reading, percentiles, restoring, and writing of mean and
scale, uncompressed. Prints a table, and JSON lines {"what", "ours", "stock", "ratio"}, where a
ratio above 1 means that ours is better: voxels per second against csbdeep tiled and in one piece,
and memory against csbdeep in one piece. Weights are random: the time does not depend on them.

The network has the published width, 32. A process of each kind then takes about 3 minutes on two
quiet cores, by the arithmetic that width 16 took; more of them (--repeats 3 --width 16) say how
much the figures vary.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "workflow/scripts"))

SHAPE, N_TILES = (32, 512, 512), (1, 4, 4)
KINDS = ("untiled", "ours", "tiled")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", choices=["auto", "cpu", "gpu"], default="auto")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        kind, folder, memory = options.worker
        work(kind, Path(folder), float(memory), options.device, options.width)
    else:
        compare(options.device, options.repeats, options.width)


# In the parent


def compare(device: str, repeats: int, width: int) -> None:
    import numpy as np

    from denoising.images.volumes import write_volume

    runs = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory() as folder:
        noise = np.random.default_rng(0).random(SHAPE, np.float32)
        write_volume(Path(folder, "noise.tif"), noise, "ZYX")
        for _ in range(repeats):
            for kind in KINDS:
                memory = (
                    statistics.median(run["peak_mb"] for run in runs["untiled"]) / 4
                    if runs["untiled"]
                    else 0
                )
                runs[kind].append(worker(kind, folder, memory, device, width))
    report(runs, width)


def worker(kind: str, folder: str, memory: float, device: str, width: int) -> dict:
    """What a process that restores tells of itself."""
    command = [sys.executable, __file__, "--worker", kind, folder, str(memory), "--device", device]
    command += ["--width", str(width)]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    )
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def report(runs: dict, width: int) -> None:
    told = runs["ours"][0]
    size = " x ".join(map(str, SHAPE))
    print(
        f"{told['device']}; width {width}, probabilistic, volume of {size}; {len(runs['ours'])}"
        " processes each"
    )
    print(
        f"ours: tiles of {told['tile']} for cores of {told['core']}; largest difference from"
        " csbdeep in one piece"
    )
    print(f"{max(run['difference'] for run in runs['ours']):.1e} of the range\n")
    rows = [
        row("restoration, tiled", runs["ours"], runs["tiled"], "voxels_per_second", max),
        row("restoration, untiled", runs["ours"], runs["untiled"], "voxels_per_second", max),
        row("restoration, files", runs["ours"], runs["untiled"], "files_voxels_per_second", max),
        row("restoration memory", runs["ours"], runs["untiled"], "peak_mb", statistics.median),
    ]
    print(f"{'':24}{'ours':>12}{'csbdeep':>12}{'':>5}{'ratio':>8}")
    for each, unit in zip(rows, ("1/s", "1/s", "1/s", "MB"), strict=True):
        print(
            f"{each['what']:24}{each['ours']:12.0f}{each['stock']:12.0f}"
            f" {unit:<4}{each['ratio']:8.2f}"
        )
    print()
    for each in rows:
        print(json.dumps(each))


def row(what: str, ours: list[dict], stock: list[dict], key: str, of) -> dict:
    mine, theirs = (of(run[key] for run in runs) for runs in (ours, stock))
    ratio = mine / theirs if of is max else theirs / mine
    return {"what": what, "ours": round(mine), "stock": round(theirs), "ratio": round(ratio, 3)}


# In a process that restores


def work(kind: str, folder: Path, memory: float, device: str, width: int) -> None:
    warnings.simplefilter("ignore")
    import numpy as np
    import tensorflow as tf
    import tifffile
    from csbdeep.data import PercentileNormalizer
    from csbdeep.models import CARE, Config

    from denoising.images.slabs import scratch_array
    from denoising.images.volumes import INPUT_PERCENTILES, Pair, open_volume
    from denoising.restoration.destination import Destination
    from denoising.restoration.forward_pass import most_voxels_at_once
    from denoising.restoration.restored_volumes import VolumeRestoration
    from denoising.restoration.restorer import restorer_on
    from denoising.restoration.tiling import plan_tiles
    from denoising.training.network import use_device

    on = use_device(device, os.cpu_count())
    tf.constant(0)  # what TensorFlow starts once
    imports = resident()
    peak = watch_memory()
    tf.keras.utils.set_random_seed(0)
    model = CARE(
        Config("ZYX", probabilistic=True, unet_n_depth=2, unet_n_first=width), basedir=None
    )
    source, result = folder / "noise.tif", folder / "restored.npy"
    if kind == "ours":
        voxels = most_voxels_at_once(model, None, memory * 1e6)
        restorer = restorer_on(on, model, voxels)
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        if kind == "ours":
            restored = scratch_array(folder, SHAPE, np.float32)
            restorer.restore(open_volume(source, "ZYX"), "ZYX", restored)
        else:
            n_tiles = N_TILES if kind == "tiled" else None
            restored = model.predict(
                tifffile.imread(source), "ZYX", normalizer=None, n_tiles=n_tiles
            )
        seconds.append(time.perf_counter() - start)
    told = {
        "voxels_per_second": restored.size / min(seconds),
        "peak_mb": peak[0] - imports,
        "device": on.name,
    }
    if kind == "ours":
        plan = plan_tiles(SHAPE, restorer.margin, restorer.multiple, restorer.max_tile_voxels)
        difference = np.abs(restored - np.load(result)).max() / np.ptp(restored)
        told |= {"tile": plan.tile, "core": plan.core, "difference": float(difference)}
    elif kind == "untiled":
        np.save(result, restored)
    start = time.perf_counter()
    if kind == "ours":
        settings = {"format": "tiff", "dtype": "float32", "compression": False}
        pair = Pair("noise", "ours", "ZYX", source, source)
        volumes = VolumeRestoration(restorer, Destination(folder, settings, os.cpu_count()))
        volumes.write(volumes.restore(volumes.read(pair)))
    elif kind == "untiled":
        normalizer = PercentileNormalizer(*INPUT_PERCENTILES, do_after=False)
        found = model.predict_probabilistic(tifffile.imread(source), "ZYX", normalizer)
        for name, array in (("mean", found.mean()), ("scale", found.scale())):
            tifffile.imwrite(folder / f"{kind}_{name}.tif", array)
    told["files_voxels_per_second"] = restored.size / (time.perf_counter() - start)
    print(json.dumps(told), flush=True)


def resident() -> float:
    """MB of this process in memory, mapped files included."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) * 1024 / 1e6


def watch_memory() -> list[float]:
    """A list whose one value is the most memory so far, in MB, looked at every 10 ms."""
    peak = [0.0]

    def watch():
        while True:
            peak[0] = max(peak[0], resident())
            time.sleep(0.01)

    threading.Thread(target=watch, daemon=True).start()
    return peak


if __name__ == "__main__":
    main()
