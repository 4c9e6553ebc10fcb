"""Scoring a restoration under both protocols, against the same by csbdeep and scikit-image, in one
run.

Usage: python tests/benchmarks/evaluation.py [--repeats N] [--threads N]

Each scoring, from two TIFF files to the scores, is a process of its own, ours and the stock calls'
in turn. Prints a table, and JSON lines {"what", "ours", "stock", "ratio"}, where a ratio above 1
means that ours is better. Of the times the fastest counts, which other work on the machine disturbs
least; of memory, anonymous and above what the imports take, the median. The stock calls work in
float32, as they do by default. Then says what a published planaria volume, 95 x 1024 x 1024, takes
of ours.
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
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "workflow/scripts"))

SHAPE = (32, 512, 512)
PUBLISHED = (95, 1024, 1024)
PROTOCOLS = ["paper", "study2019"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(*options.worker, options.threads)
    else:
        compare(options.repeats, options.threads)


# In the parent


def compare(repeats: int, threads: int) -> None:
    runs = {"ours": [], "stock": []}
    with tempfile.TemporaryDirectory() as folder:
        write_volumes(Path(folder), SHAPE)
        for repeat in range(repeats):
            for kind in list(runs)[:: 1 if repeat % 2 else -1]:
                runs[kind].append(worker(kind, folder, threads))
    with tempfile.TemporaryDirectory() as folder:
        write_volumes(Path(folder), PUBLISHED)
        published = worker("ours", folder, threads)
    report(runs, published, threads)


def write_volumes(folder: Path, shape: tuple[int, ...]) -> None:
    """A ground truth in camera counts, and a restoration of it in the normalised input's units."""
    import numpy as np
    import tifffile

    rng = np.random.default_rng(0)
    rows = np.sin(np.linspace(0, 60, shape[1]))[:, None] * np.sin(np.linspace(0, 80, shape[2]))
    truths = tifffile.memmap(
        folder / "truth.tif", shape=shape, dtype="uint16", metadata={"axes": "ZYX"}
    )
    (folder / "C1").mkdir()
    images = tifffile.memmap(
        folder / "C1/one.tif", shape=shape, dtype="float32", metadata={"axes": "ZYX"}
    )
    for plane in range(shape[0]):
        bright = 100 + 3000 * np.square(rows * np.sin(1 + 0.1 * plane))
        truths[plane] = rng.poisson(bright)
        images[plane] = bright / 3000 + 0.1 * rng.standard_normal(bright.shape, np.float32)


def worker(kind: str, folder: str, threads: int) -> dict:
    """What a process that scores tells of itself."""
    command = [sys.executable, __file__, "--worker", kind, folder, "--threads", str(threads)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def report(runs: dict, published: dict, threads: int) -> None:
    shape, published_shape = (" x ".join(map(str, each)) for each in (SHAPE, PUBLISHED))
    print(
        f"{shape}, both protocols; ours on {threads} threads; {len(runs['ours'])} processes each\n"
    )
    rows = [
        row("evaluation", runs["ours"], runs["stock"], "seconds", min),
        row("evaluation memory", runs["ours"], runs["stock"], "memory_mb", statistics.median),
    ]
    print(f"{'':22}{'ours':>10}{'stock':>10}{'':>5}{'ratio':>8}")
    for each, unit in zip(rows, ["s", "MB"], strict=True):
        print(
            f"{each['what']:22}{each['ours']:10.4g}{each['stock']:10.4g}"
            f" {unit:<4}{each['ratio']:8.2f}"
        )
    ours, stock = (runs[kind][0]["scores"] for kind in ("ours", "stock"))
    apart = {name: abs(ours[name] - stock[name]) for name in ours}
    print(
        "\nscores apart by " + ", ".join(f"{value:.1g} ({name})" for name, value in apart.items())
    )
    print(f"{published_shape}: {published['seconds']:.3g} s, {published['memory_mb']:.0f} MB\n")
    for each in rows:
        print(json.dumps(each))


def row(what: str, ours: list[dict], stock: list[dict], key: str, of) -> dict:
    mine, theirs = (of(run[key] for run in runs) for runs in (ours, stock))
    return {
        "what": what,
        "ours": round(mine, 4),
        "stock": round(theirs, 4),
        "ratio": round(theirs / mine, 3),
    }


# In a process that scores


def work(kind: str, folder: str, threads: int) -> None:
    score = prepare_stock() if kind == "stock" else prepare_ours(threads)
    imported = anonymous_memory()
    peak = watch_memory()
    start = time.perf_counter()
    scores = score(Path(folder) / "truth.tif", Path(folder) / "C1/one.tif")
    seconds = time.perf_counter() - start
    print(
        json.dumps({"seconds": seconds, "memory_mb": peak[0] - imported, "scores": scores}),
        flush=True,
    )


def anonymous_memory() -> float:
    """In MB, of this process, now."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) * 1024 / 1e6


def watch_memory() -> list[float]:
    """A list whose one value is the most anonymous memory so far, in MB, looked at every 2 ms."""
    peak = [0.0]

    def watch():
        while True:
            peak[0] = max(peak[0], anonymous_memory())
            time.sleep(0.002)

    threading.Thread(target=watch, daemon=True).start()
    return peak


def prepare_ours(threads: int):
    from denoising.evaluation.protocols import score_pair
    from denoising.images.volumes import Pair

    def score(truth: Path, image: Path) -> dict:
        pair = Pair(image.stem, image.parent.name, "ZYX", image, truth)
        rows = score_pair(pair, image.parent.parent, PROTOCOLS, None, threads)
        return {f"{row['protocol']} {row['metric']}": row["value"] for row in rows}

    return score


def prepare_stock():
    import numpy as np
    import tifffile
    from csbdeep.utils import normalize, normalize_minmse
    from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

    def score(truth: Path, image: Path) -> dict:
        y, q = normalize(tifffile.imread(truth), 0.1, 99.9), tifffile.imread(image)
        target, scaled = y - y.mean(), q - q.mean()
        scaled *= np.cov(scaled.ravel(), target.ravel())[0, 1] / np.var(scaled)
        scores = {
            "paper nrmse": float(np.sqrt(mean_squared_error(target, scaled))),
            "paper psnr": float(peak_signal_noise_ratio(target, scaled, data_range=1)),
            "paper ssim": float(structural_similarity(target, scaled, data_range=1)),
        }
        fitted = normalize_minmse(q, y)
        return scores | {
            "study2019 nrmse": float(np.sqrt(mean_squared_error(y, fitted))),
            "study2019 ssim": float(structural_similarity(y, fitted, data_range=2)),
        }

    return score


if __name__ == "__main__":
    main()
