"""Everything that a GPU must show, and a summary to send back: `make gpu-check`.

Usage: python tests/gpu/check.py [--device gpu|cpu] [--quick] [SUMMARY]

Runs the tests that need a GPU and the three benchmarks, those of training at the published sizes
(27 GB on disk while it runs), and writes all that they say, with the card, the driver and the
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

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "workflow/scripts"))
from denoising.running.devices import card_of, visible_gpus  # noqa: E402

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
        said = [*about(options.device), "", *tests(options.device), ""]
        write("\n".join(said), summary)
        for script, *arguments in [] if options.quick else BENCHMARKS:
            write(f"\n$ python tests/benchmarks/{' '.join([script, *arguments])}\n", summary)
            write(benchmark(script, arguments, options.device), summary)
    print(f"\nAll of this is in {options.summary}.")
    sys.exit(any(line.startswith("failed") for line in said))


def write(text: str, summary) -> None:
    print(text, flush=True)
    summary.write(text + "\n")
    summary.flush()


def about(device: str) -> list[str]:
    """The machine and the versions."""
    gpu = visible_gpus()[0] if device == "gpu" else "CPU"
    card = card_of(gpu)
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


def tests(device: str) -> list[str]:
    """A line for each test, with what it found."""
    with TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        command = [sys.executable, "-m", "pytest", "-q", "tests/gpu", f"--junit-xml={report}"]
        environment = {**os.environ, "GPU_CHECK_ON": device}
        subprocess.run([*command, "-o", "junit_family=xunit1"], cwd=ROOT, env=environment)
        cases = list(ElementTree.parse(report).iter("testcase"))
    return [line(case) for case in cases]


def line(case: ElementTree.Element) -> str:
    outcomes = {"failure": "failed", "error": "failed", "skipped": "skipped"}
    ended = next((outcomes[each.tag] for each in case if each.tag in outcomes), "passed")
    found = next((each.get("value") for each in case.iter("property")), "")
    name = case.get("name", "").removeprefix("test_").replace("_", " ")
    return f"{ended}: {name}" + (f" ({found})" if found else "")


def benchmark(script: str, arguments: list[str], device: str) -> str:
    command = [sys.executable, ROOT / "tests/benchmarks" / script, *arguments]
    if script != "evaluation.py":
        command += ["--device", device]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.stdout


if __name__ == "__main__":
    main()
