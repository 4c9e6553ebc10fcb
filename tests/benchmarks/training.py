"""Training against stock csbdeep's `CARE.train`: the same network, patches, batch, steps and
validation, in one run.

Usage: python tests/benchmarks/training.py [--device auto|cpu|gpu] [--repeats N] [--published-sizes]

Each training is a process of its own, ours and csbdeep's in turn. Prints a table, and JSON lines
{"what", "ours", "stock", "ratio"}, where a ratio above 1 means that ours is better. The first epoch
of each process, in which graphs are traced, counts only for the time to the first step; of the
others the fastest counts, which other work on the machine disturbs least; of memory and first
steps, the median. Patches are noise: the time does not depend on what they show. Then says how
anonymous memory grows from a training set of 0.1 GB to one of 9 GB. With the reduced sizes a GPU
mostly waits: there, --published-sizes tells more (27 GB on disk while it runs; epochs of 400 steps,
so that the waits for losses hardly count). On a GPU ours runs in the precision that `auto` chooses
and in float32: csbdeep's float32 is TF32 on cards that have it.
"""

import argparse
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "workflow/scripts"))
from denoising.running.devices import visible_gpus  # noqa: E402

# 3,401 pairs validate, a fifth, as of the published planaria set; a smaller network and smaller
# patches
PAIRS, BATCH = 17_005, 16
PUBLISHED = "--published-sizes" in sys.argv
SHAPE, WIDTH = ((16, 64, 64), 32) if PUBLISHED else ((8, 16, 16), 16)
STEPS, EPOCHS = (400, 3) if PUBLISHED else (25, 4)
SUBSET = 340
SEED = 0
SETTINGS = {
    "trained_on": "noise", "width": WIDTH, "depth": 2, "kernel": 3, "residual": True,
    "last_activation": "linear", "initial_weights": "csbdeep", "loss": "laplace", "scale_weight": 0,
    "epochs": EPOCHS, "steps_per_epoch": STEPS,
    "batch_size": BATCH, "learning_rate": 4e-4, "warmup_steps": 0, "schedule": "plateau",
    "plateau_factor": 0.5,
    "plateau_patience": 10, "plateau_min_delta": 0, "early_stopping_patience": None,
    "restarts": 0, "collapse_steps": 200,
    "split": "tail", "training_volumes": None, "start_from": None, "validation_patches": None,
    "augment": False, "precision": "auto",
}  # fmt: skip
LARGE = (16, 64, 64)  # a published patch: 9 GB are 17,166 pairs of them


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", choices=["auto", "cpu", "gpu"], default="auto")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--published-sizes", action="store_true")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--started", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(*options.worker, options.device, options.started)
    else:
        compare(options.device, options.repeats)


# In the parent


def compare(device: str, repeats: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_patches(Path(folder))
        runs = {"ours": [], "stock": [], "subset": []}
        if visible_gpus() and device != "cpu":
            runs["float32"] = []
        for repeat in range(repeats):
            for kind in list(runs)[:: 1 if repeat % 2 else -1]:
                runs[kind].append(worker(kind, folder, device))
        small, large = (grown_memory(Path(folder), gigabytes, device) for gigabytes in (0.1, 9))
    report(runs, small, large)


def write_patches(folder: Path) -> None:
    """The same pairs for both: as an npz, which csbdeep reads, and as the workflow has them."""
    import numpy as np
    from numpy.lib.format import open_memmap

    rng = np.random.default_rng(0)
    X, Y = (open_memmap(folder / f"{name}.npy", "w+", np.float32, (PAIRS, *SHAPE)) for name in "XY")
    for pair in range(PAIRS):
        Y[pair] = rng.random(SHAPE, np.float32)
        X[pair] = Y[pair] + 0.2 * rng.standard_normal(SHAPE, np.float32)
    np.savez(folder / "patches.npz", X=X[:, None], Y=Y[:, None], axes="SCZYX")


def worker(kind: str, folder: str, device: str) -> dict:
    """What a process that trains tells of itself."""
    command = [sys.executable, __file__, "--worker", kind, str(folder), "--device", device]
    command += ["--published-sizes"] * PUBLISHED + [
        "--started",
        repr(time.time()),
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    )
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def grown_memory(folder: Path, gigabytes: float, device: str) -> float:
    """Anonymous memory, in MB, at the peak of a training on a memory map of so many gigabytes, X
    and Y together.
    """
    from numpy.lib.format import open_memmap

    pairs = round(gigabytes * 1e9 / 2 / 4 / (LARGE[0] * LARGE[1] * LARGE[2]))
    for name in "XY":  # holes: as large for the process, and nothing on disk
        open_memmap(folder / f"{name}.npy", "w+", "float32", (pairs, *LARGE))
    return worker("memory", str(folder), device)["peak_mb"]


def report(runs: dict, small: float, large: float) -> None:
    told = runs["ours"][0]
    size = "patches of {} x {} x {}".format(*SHAPE)
    print(
        f"{told['device']}; width {WIDTH}, {size}, batch {BATCH}, {STEPS} steps an epoch, {PAIRS}"
        " pairs, of which"
    )
    print(
        f"{PAIRS // 5} validate ({SUBSET} in the subset); {len(runs['ours'])} processes each of"
        f" {EPOCHS} epochs"
    )
    print(f"ours: {told['execution']}")
    share = max(run["matmul_share"] or 0 for run in runs["ours"])
    print(f"ours: {share:.1%} of the device's rate of matrix products in that precision\n")
    stock = runs["stock"]
    rows = [
        row("steps per second", runs["ours"], stock, "steps_per_second", max),
        row(f"epoch of {STEPS} steps", runs["ours"], stock, "epoch_seconds", min),
        row(f"epoch of {STEPS}, validation subset", runs["subset"], stock, "epoch_seconds", min),
        row("peak memory", runs["ours"], stock, "peak_mb"),
        row("time to first step", runs["ours"], stock, "first_step_seconds"),
    ]
    units = ["1/s", "s", "s", "MB", "s"]
    if "float32" in runs:
        rows.append(
            row("steps per second, float32", runs["float32"], stock, "steps_per_second", max)
        )
        units.append("1/s")
    print(f"{'':38}{'ours':>10}{'csbdeep':>10}{'':>5}{'ratio':>8}")
    for each, unit in zip(rows, units, strict=True):
        print(
            f"{each['what']:38}{each['ours']:10.4g}{each['stock']:10.4g}"
            f" {unit:<4}{each['ratio']:8.2f}"
        )
    losses = [
        statistics.median(run["val_loss"] for run in runs[kind]) for kind in ("ours", "stock")
    ]
    if told["device_mb"]:
        peaks = [max(run["device_mb"] for run in runs[kind]) for kind in ("ours", "stock")]
        print(f"\npeak of the GPU's memory: {peaks[0]:.0f} MB, csbdeep's {peaks[1]:.0f} MB")
    print(f"\nvalidation loss after {EPOCHS} epochs: {losses[0]:.4f}, csbdeep's {losses[1]:.4f}")
    print(
        f"anonymous memory on 0.1 GB of patches {small:.0f} MB, on 9 GB {large:.0f} MB:"
        f" {large - small:+.0f} MB\n"
    )
    for each in rows:
        print(json.dumps(each))


def row(what: str, ours: list[dict], stock: list[dict], key: str, of=statistics.median) -> dict:
    mine, theirs = (of(run[key] for run in runs) for runs in (ours, stock))
    ratio = mine / theirs if of is max else theirs / mine
    return {
        "what": what,
        "ours": round(mine, 4),
        "stock": round(theirs, 4),
        "ratio": round(ratio, 3),
    }


# In a process that trains


def work(kind: str, folder: str, device: str, started: float) -> None:
    peak = watch_memory()
    logging.basicConfig(level=logging.INFO)
    warnings.simplefilter("ignore")
    found = (
        train_stock(Path(folder), device)
        if kind == "stock"
        else train_ours(kind, Path(folder), device)
    )
    found["first_step_seconds"] = found.pop("first_step") - started
    from denoising.training.costs import device_memory

    print(json.dumps(found | {"peak_mb": peak[0], "device_mb": device_memory()}), flush=True)


def watch_memory() -> list[float]:
    """A list whose one value is the most anonymous memory so far, in MB, looked at every 10 ms."""
    peak = [0.0]

    def watch():
        while True:
            lines = Path("/proc/self/status").read_text().splitlines()
            now = (
                next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
                * 1024
                / 1e6
            )
            peak[0] = max(peak[0], now)
            time.sleep(0.01)

    threading.Thread(target=watch, daemon=True).start()
    return peak


def train_ours(kind: str, folder: Path, device: str) -> dict:
    import numpy as np
    import pandas as pd

    from denoising.running.gpus import Gpu
    from denoising.study.training import Compute, Training, TrainingRun
    from denoising.training.compilation import is_resident, settle_compilation

    settings = SETTINGS | {"validation_patches": SUBSET if kind == "subset" else None}
    if kind == "memory":
        settings |= {"width": 1, "epochs": 1, "steps_per_epoch": 100}
    if kind == "float32":
        settings |= {"precision": "float32"}
    run = TrainingRun("ours", Training(**settings), SEED)
    compute = Compute(threads=1, xla="auto", resident="auto", memory_growth=True)
    gpu = Gpu(device != "cpu" and bool(visible_gpus()))
    # As for a training of the published length: trials are worth it there
    long = replace(run, settings=replace(run.settings, epochs=100))
    resident = is_resident(compute, np.load(folder / "X.npy", mmap_mode="r"), gpu)
    start = time.time()
    compilation = settle_compilation(long, SHAPE, compute, gpu.card(), resident)
    trial_seconds = time.time() - start  # once for a card and a network
    # Here, so that XLA finds its flags
    from denoising.training.batches import PatchPairs
    from denoising.training.loop import Folders, Trainer, train
    from denoising.training.network import use_device
    from denoising.training.steps import Execution, choose_execution

    collected = []  # (time, epoch, steps of the epoch that are done)
    collect_losses = Trainer._collect_losses

    def collect_and_record(self, *arguments):
        collect_losses(self, *arguments)
        collected.append((time.time(), len(self.state.history), len(self.state.losses)))

    Trainer._collect_losses = collect_and_record
    count = len(np.load(folder / "X.npy", mmap_mode="r"))
    validate = 32 if kind == "memory" else count // 5
    parts = np.where(np.arange(count) < count - validate, "train", "validation")
    split = pd.DataFrame({"patch": np.arange(count), "part": parts})
    with tempfile.TemporaryDirectory() as out:
        model = Path(out) / "model"
        patches = PatchPairs.open(folder, split)
        on = use_device(device, os.cpu_count())
        execution = choose_execution(compilation, run.settings, compute, on, resident)
        train(run, patches, Folders(model, Path(out) / "checkpoints"), on, execution)
        history = pd.read_csv(model / "history.csv")
        told = json.loads((model / "training.json").read_text())
    rates = []
    for epoch in range(1, len(history)):
        times = [(when, steps) for when, of, steps in collected if of == epoch]
        rates.append((times[-1][1] - times[0][1]) / (times[-1][0] - times[0][0]))
    return {
        "steps_per_second": max(rates, default=None),
        "epoch_seconds": float(history["seconds"][1:].min()),
        "val_loss": float(history["val_loss"].iloc[-1]),
        "first_step": collected[0][0] - trial_seconds,
        "matmul_share": history["matmul_share"].max(),
        "device": told["device"],
        "execution": str(Execution(**{name: told[name] for name in vars(execution)})),
    }


def train_stock(folder: Path, device: str) -> dict:
    import keras
    import tensorflow as tf
    from csbdeep.io import load_training_data
    from csbdeep.models import CARE

    from denoising.study.training import Training
    from denoising.training.network import care_config

    if device == "cpu":
        tf.config.set_visible_devices([], "GPU")

    class Clock(keras.callbacks.Callback):
        """When each batch and each epoch ended; an epoch ends after its validation."""

        def __init__(self):
            super().__init__()
            self.batches, self.epochs = [], []

        def on_epoch_begin(self, epoch, logs=None):
            self.batches.append([])
            self.epochs.append(time.time())

        def on_train_batch_end(self, batch, logs=None):
            self.batches[-1].append(time.time())

        def on_epoch_end(self, epoch, logs=None):
            self.epochs[-1] = time.time() - self.epochs[-1]

    (X, Y), (X_validation, Y_validation), axes = load_training_data(
        str(folder / "patches.npz"), validation_split=0.2
    )
    keras.utils.set_random_seed(SEED)
    with tempfile.TemporaryDirectory() as out:
        model = CARE(care_config(Training(**SETTINGS), "ZYX"), name="stock", basedir=out)
        model.prepare_for_training()
        clock = Clock()
        model.callbacks.append(clock)
        history = model.train(X, Y, validation_data=(X_validation, Y_validation)).history
    rates = [(len(batches) - 1) / (batches[-1] - batches[0]) for batches in clock.batches[1:]]
    return {
        "steps_per_second": max(rates),
        "epoch_seconds": min(clock.epochs[1:]),
        "val_loss": history["val_loss"][-1],
        "first_step": clock.batches[0][0],
    }


if __name__ == "__main__":
    main()
