"""Everything that a GPU must show, and a summary to send back: `make gpu-check`.

Usage: python tests/gpu/check.py [--device gpu|cpu] [--quick] [SUMMARY]

Runs the tests that need a GPU and the benchmarks, that of training at the published sizes too (27
GB on disk while it runs), and writes all that they say, with the card, the driver and the
versions, to SUMMARY (gpu-check.txt). --quick leaves the benchmarks out. With --device cpu the tests
run on a CPU, to see that they run.
"""

import argparse
import os
import platform
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TextIO

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "workflow/scripts"))
from denoising.running.devices import visible_gpus  # noqa: E402
from denoising.running.gpus import Gpu  # noqa: E402

LONGEST = 4000  # characters of what a failed test says
BENCHMARKS = (
    ("training.py", "--published-sizes"),
    ("training.py",),
    ("restoration.py",),
    ("evaluation.py",),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("summary", nargs="?", type=Path, default=Path("gpu-check.txt"))
    parser.add_argument("--device", choices=["gpu", "cpu"], default="gpu")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if options.device == "gpu" and not visible_gpus():
        sys.exit(
            "No GPU is visible: see nvidia-smi and CUDA_VISIBLE_DEVICES, and `make install-gpu`."
        )
    with options.summary.open("w") as summary:
        failures = [line for line in tests(options.device, summary) if line.startswith("failed")]
        for script, *arguments in [] if options.quick else BENCHMARKS:
            write(f"\n$ python tests/benchmarks/{' '.join([script, *arguments])}\n", summary)
            if status := benchmark(script, arguments, options.device, summary):
                failures.append(f"failed: {script} ended with exit status {status}")
        write("\n".join(["", *failures]), summary)
    print(f"\nAll of this is in {options.summary}.")
    sys.exit(bool(failures))


def write(text: str, summary: TextIO) -> None:
    print(text, flush=True)
    summary.write(text + "\n")
    summary.flush()


def about(device: str) -> list[str]:
    """The machine and the versions."""
    gpu = visible_gpus()[0] if device == "gpu" else "CPU"
    card = Gpu(device == "gpu").card()
    named = (
        f"{card.name}, compute capability {card.capability}, driver {card.driver}" if card else gpu
    )
    versions = ", ".join(f"{name} {version(name)}" for name in ("tensorflow", "keras", "csbdeep"))
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
    )
    return [
        named,
        f"{versions}, Python {platform.python_version()}, {platform.platform()}",
        f"commit {commit.stdout.strip() or 'unknown'}",
    ]


def tests(device: str, summary: TextIO) -> list[str]:
    """A line for each test, with what it found."""
    write("\n".join([*about(device), ""]), summary)
    with TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        command = [sys.executable, "-m", "pytest", "-q", "tests/gpu", f"--junit-xml={report}"]
        environment = {**os.environ, "GPU_CHECK_ON": device}
        done = subprocess.run([*command, "-o", "junit_family=xunit1"], cwd=ROOT, env=environment)
        if not report.exists():
            return [f"failed: pytest ended with exit status {done.returncode}, and no report"]
        lines = [line(case) for case in ElementTree.parse(report).iter("testcase")]
    write("\n".join(lines), summary)
    return lines


def line(case: ElementTree.Element) -> str:
    outcomes = {"failure": "failed", "error": "failed", "skipped": "skipped"}
    ended = next((outcomes[each.tag] for each in case if each.tag in outcomes), "passed")
    found = next((each.get("value") for each in case.iter("property")), "")
    name = case.get("name", "").removeprefix("test_").replace("_", " ")
    why = "".join(each.text or "" for each in case if outcomes.get(each.tag) == "failed")
    return f"{ended}: {name}" + (f" ({found})" if found else "") + why[-LONGEST:]


def benchmark(script: str, arguments: list[str], device: str, summary: TextIO) -> int:
    """Run a benchmark; returns its exit status."""
    command = [sys.executable, ROOT / "tests/benchmarks" / script, *arguments]
    if script != "evaluation.py":
        command += ["--device", device]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    write(done.stdout, summary)
    return done.returncode


if __name__ == "__main__":
    main()
