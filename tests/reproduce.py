"""Run a finished study again from the config in its results, in a new folder, and compare tables.

Usage: python tests/reproduce.py RESULTS FOLDER [--cores N]

Says per table whether it is the same to the bit, the same within 1e-5, or where it differs; then
what differs between the records of the two runs. Exits with 1 if a table differs. A run that was
interrupted goes on.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow/scripts"))

from denoising.report.reproduction import compare_runs, compare_tables  # noqa: E402
from denoising.study.paths import expanded  # noqa: E402

# The keys of a dataset's source that hold paths, and those of a model
OF_SOURCES = {"archive": ["path"], "pairs": ["low", "high"], "npz": ["path"]}
OF_MODELS = ["pretrained", "start_from"]


def elsewhere(config: dict, folder: Path) -> dict:
    """The config with paths that began in `folder`, for a run in another one; without `restore`,
    whose restorations are no part of the study.
    """
    for dataset in config["datasets"].values():
        for source, keys in OF_SOURCES.items():
            begin_in(folder, dataset.get(source) or {}, keys)
    models = [config.get("training") or {}]
    models += [one for study in config["studies"].values() for one in study["models"].values()]
    names = {name for study in config["studies"].values() for name in study["models"]}
    for model in models:
        begin_in(folder, model, [key for key in OF_MODELS if model.get(key) not in names])
    return {key: value for key, value in config.items() if key != "restore"}


def begin_in(folder: Path, section: dict, keys: list[str]) -> None:
    """Make paths absolute, in place."""
    for key in keys:
        if section.get(key):
            section[key] = str(folder / expanded(section[key]))


def run(config: Path, folder: Path, cores: str) -> bool:
    """Run the study in its folder; whether all of it is there."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile"]
    command += ["--configfile", config, "--directory", folder, "--cores", cores]
    command += ["--resources", "gpu=1", "--quiet", "rules", "progress"]
    return subprocess.run(list(map(str, command)), cwd=ROOT).returncode == 0


def report(first: Path, second: Path) -> bool:
    """Print how the results compare; whether every table is the same."""
    compared = compare_tables(first, second)
    for one in compared:
        print(f"{one.name}: {one.sentence}")
    different = compare_runs(first, second)
    print("\nBetween the two runs differ:" if different else "\nThe two runs' records agree.")
    for phrase in different:
        print(f"- {phrase}")
    return all(one.is_same for one in compared)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cores", default="all")
    arguments = parser.parse_args()
    results, folder = arguments.results.resolve(), arguments.folder.resolve()
    recorded = results / "config.yaml"
    if not recorded.is_file():
        sys.exit(f"{recorded} is missing: there is no finished study to run again; run it first.")
    if folder == results.parent:
        sys.exit(f"{folder} holds the results to compare with; name another folder.")
    config = elsewhere(yaml.safe_load(recorded.read_text(encoding="utf-8")), results.parent)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    if not run(folder / "config.yaml", folder, arguments.cores):
        return 1
    return int(not report(results, folder / "results"))


if __name__ == "__main__":
    sys.exit(main())
