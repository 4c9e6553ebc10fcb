"""How long Snakemake takes before a large study's first job, and before every job.

Usage: python tests/benchmarks/dag.py [--models N] [--repeats N]

Dry runs, in an empty folder, of a study of 1,000 models on 10 simulated datasets. Of each dataset's
100 models 40 differ in width, one of them with three seeds; 30 are a sweep of the learning rate,
and 30 the two arms of a sweep of the batch size. Once each model is tested on the dataset that it
was trained on, once on all of them: 1,020 and 10,200 restorations, as many calibrations and scores,
and what ensembles, baselines, tables and figures take; by the default profile and by that for
Slurm, which groups jobs. Then the start of one job of the default study, a process that reads the
workflow anew, against that of a workflow with one empty rule, which is Snakemake's own.

Prints a table, and JSON lines {"what", "seconds", "processor", "limit", "ratio"}, where a ratio
above 1 means less seconds than the limit, and {"what", "ours", "stock", "ratio"} in processor
seconds, of which the fewest count. What is called the building of the graph ends where Snakemake
tells its jobs, so its checks of them are part of it.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
DATASETS = 10
TESTED = ("on its own dataset", "on all datasets")
PROFILES = ("default", "slurm")
LIMITS = {"graph of jobs built": 30, "dry run": 120}
EMPTY = 'rule nothing:\n    output:\n        "nothing",\n    shell:\n        "touch {output}"\n'
# As Snakemake starts a job's process, but dry
JOB = ["--target-jobs", "restore:run=planaria,dataset=planaria", "--allowed-rules", "restore"]
ALONE = ["-n", "--mode", "subprocess", "--force", "--nolock", "--cores", "1", "--snakefile"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        config, runs = Path(folder) / "study.yaml", {}
        for where in TESTED:
            config.write_text(yaml.safe_dump(study(options.models, where), sort_keys=False))
            for profile in PROFILES:
                runs[f"{where}, profile {profile}"] = dry_run(Path(folder), config, profile)
    starts = {"ours": [], "stock": []}
    with tempfile.TemporaryDirectory() as folder:
        snakefile = Path(folder) / "Snakefile"
        snakefile.write_text(EMPTY)
        for _ in range(options.repeats):
            starts["ours"].append(processor_seconds(folder, *ALONE, ROOT / "Snakefile", *JOB))
            starts["stock"].append(processor_seconds(folder, *ALONE, snakefile, "nothing"))
    report(options.models, runs, {kind: min(seconds) for kind, seconds in starts.items()})


def study(models: int, where: str) -> dict:
    """The config of a study in which each dataset has as many models as the others."""
    names = [f"organism-{number}" for number in range(DATASETS)]
    dataset = {
        "simulate": {"species": "planaria", "shape": [16, 64, 64]},
        "conditions": [
            {"name": str(number), "source": f"condition_{number}"} for number in (1, 2, 3)
        ],
        "patches": {"shape": [16, 32, 32]},
    }
    each = models // DATASETS
    arm = 15 * each // 100
    # With the base's 16 patches a step and 400 steps an epoch, what divides 6,400 has a matched
    # model
    batches = [size for size in range(1, 6401) if 6400 % size == 0 and size != 16][:arm]
    studies = {}
    for name in names:
        widths = {
            f"{name}-width{width}": {"width": width} for width in range(8, 8 + each - 4 * arm)
        }
        widths[f"{name}-width9"]["seeds"] = [1, 2, 3]
        rates = {
            f"{name}-rate{number}": {"learning_rate": number * 1e-5}
            for number in range(1, 1 + 2 * arm)
        }
        sizes = {f"{name}-batch{size}": {"batch_size": size} for size in batches}
        tested = names if where == "on all datasets" else [name]
        base = {"base": f"{name}-width8", "tested_on": tested}
        studies |= {
            f"{name}-width": {
                "tested_on": tested,
                "models": {m: {"trained_on": name, **v} for m, v in widths.items()},
            },
            f"{name}-rate": {**base, "varies": "learning_rate", "models": rates},
            f"{name}-batch": {
                **base,
                "varies": "batch_size",
                "sample_matched": True,
                "models": sizes,
            },
        }
    return {"title": "Many models", "datasets": dict.fromkeys(names, dataset), "studies": studies}


def snakemake(folder: str | Path, *arguments: str | Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "snakemake", *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def dry_run(folder: Path, config: Path, profile: str) -> dict:
    """Seconds and processor seconds of the parts of a dry run, by the lines that Snakemake writes;
    how many jobs.
    """
    before, start, lines, at = children_seconds(), time.perf_counter(), [], {}
    how = ["--workflow-profile", ROOT / "profiles" / profile, "--configfile", config]
    process = snakemake(folder, "-n", "--quiet=rules", "--snakefile", ROOT / "Snakefile", *how)
    for line in process.stdout:
        lines.append(line)
        for mark in ("Building DAG of jobs", "Job stats:", "total "):
            if line.startswith(mark) and mark not in at:
                at[mark] = (time.perf_counter() - start, used_by(process.pid), line)
    if process.wait():
        sys.exit("".join(lines))
    read, built = at["Building DAG of jobs"][:2], at["Job stats:"][:2]
    return {
        "study and rules read": read,
        "graph of jobs built": (built[0] - read[0], built[1] - read[1]),
        "dry run": (time.perf_counter() - start, children_seconds() - before),
        "jobs": int(at["total "][-1].split()[1]),
    }


def used_by(pid: int) -> float:
    """Processor seconds of a process that runs."""
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def children_seconds() -> float:
    """Processor seconds of all processes that have been waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def processor_seconds(folder: str, *arguments: str | Path) -> float:
    before, process = children_seconds(), snakemake(folder, *arguments)
    said = process.communicate()[0]
    if process.returncode:
        sys.exit(said)
    return children_seconds() - before


def report(models: int, runs: dict, starts: dict) -> None:
    for where, run in runs.items():
        print(f"{models} models on {DATASETS} datasets, each tested {where}: {run['jobs']} jobs\n")
        print(f"{'':24}{'seconds':>10}{'processor':>12}{'limit':>8}")
        for what in ("study and rules read", *LIMITS):
            print("{:24}{:10.1f}{:12.1f}{:>8}".format(what, *run[what], LIMITS.get(what, "")))
        print()
    print(
        f"start of a job: {starts['ours']:.2f} processor seconds, Snakemake alone"
        f" {starts['stock']:.2f}\n"
    )
    for where, run in runs.items():
        for what, limit in LIMITS.items():
            seconds, processor = (round(value, 2) for value in run[what])
            told = {
                "what": f"{what}, tested {where}",
                "seconds": seconds,
                "processor": processor,
                "limit": limit,
            }
            print(json.dumps(told | {"ratio": round(limit / seconds, 3)}))
    ratio = round(starts["stock"] / starts["ours"], 3)
    print(
        json.dumps(
            {
                "what": "start of a job",
                **{kind: round(of, 3) for kind, of in starts.items()},
                "ratio": ratio,
            }
        )
    )


if __name__ == "__main__":
    main()
