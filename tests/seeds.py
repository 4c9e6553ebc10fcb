"""Run the study `replication` for several study seeds, and count what its networks win.

Usage: python tests/seeds.py FOLDER [--seeds 100 101 ...] [--configfile CONFIG] [--cores N]

Each seed draws specimens, patches, splits and, unless the config gives `seeds` to a model, initial
weights of its own, in a folder of its own: FOLDER/SEED. A seed that is finished is not run again,
and one that was interrupted goes on. A mean is won if the network leads the input and every
baseline there. FOLDER/seeds.csv has a row per seed: its wins, how many trainings collapsed to their
input, and the smallest lead over the best baseline with the 95 % interval over test volumes. The
console has the same as a Markdown table. Exits with 1 unless nine of ten seeds win every mean.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow/scripts"))

from denoising.evaluation.leads import (  # noqa: E402
    over_filters,
    replication_leads,
    smallest_leads,
)
from denoising.evaluation.scores import read_scores  # noqa: E402
from denoising.evaluation.verdicts import IS_INPUT, NEARLY_INPUT, verdicts  # noqa: E402
from denoising.report.markdown import estimate, pipe_table  # noqa: E402
from denoising.study.config import resolve  # noqa: E402
from denoising.study.metrics import METRICS, SHOWN  # noqa: E402
from denoising.study.names import INPUT  # noqa: E402
from denoising.study.products import score_files  # noqa: E402
from denoising.study.study import Study  # noqa: E402

SEEDS = range(100, 110)  # of no study that settings were chosen on
NEEDED = 0.9  # share of seeds that win every mean


def study_of(config: Path, seed: int) -> Study:
    """The study that the config describes with this seed."""
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    return resolve(yaml.safe_load(config.read_text()) | {"seed": seed}, schema)


def targets(study: Study) -> list[str]:
    """Scores of the replication models, of the input and of baselines, on their own organisms."""
    names = [
        name
        for model in study.comparisons["replication"].models
        for name in score_files(study, [model], [study.models[model].trained_on])
    ]
    return list(dict.fromkeys(names))


def run(folder: Path, study: Study, arguments: argparse.Namespace) -> bool:
    """Run one seed in its folder; whether all of it is there."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile"]
    command += ["--configfile", arguments.configfile, "--config", f"seed={study.seed}"]
    command += ["--directory", folder, "--cores", arguments.cores, "--resources", "gpu=1"]
    command += ["--keep-going", "--quiet", "rules", "progress", "--", *targets(study)]
    folder.mkdir(parents=True, exist_ok=True)
    return subprocess.run(list(map(str, command)), cwd=ROOT).returncode == 0


def row_of(folder: Path, study: Study) -> dict:
    """What one seed's networks have won."""
    models = [study.models[name] for name in study.comparisons["replication"].models]
    conditions = [study.datasets[model.trained_on].conditions for model in models]
    means = len(SHOWN) * sum(map(len, conditions))
    files = [folder / name for name in targets(study)]
    row = {"seed": study.seed, "wins": 0, "means": means, "restarts": restarts(folder, models)}
    row["collapsed"] = None
    if not all(file.exists() for file in files):
        return row | {"note": "not finished"}
    scores = read_scores(files)
    row["collapsed"] = collapsed(scores, study)
    leads = replication_leads(scores, study)
    closest = smallest_leads(leads)
    for metric in SHOWN:
        rows = smallest_leads(over_filters(leads[leads["metric"] == metric]))
        least = rows.loc[rows["lead"].idxmin()]
        row |= {f"{metric}_{name}": least[name] for name in ("lead", "low", "high")}
        row[f"{metric}_at"] = f"{least['tested_on']} {least['condition']}"
    lost = closest[~(closest["lead"] > 0)]
    note = "; ".join(
        f"{name.method} {name.condition} {METRICS[name.metric].label} behind {name.reference}"
        for name in lost.itertuples()
    )
    return row | {"wins": int((closest["lead"] > 0).sum()), "note": note}


def restarts(folder: Path, models: list) -> int | None:
    """How often trainings began again with other initial weights, if they record it."""
    files = [folder / "results/models" / run / "training.json" for m in models for run in m.runs]
    counts = [json.loads(file.read_text()).get("restarts") for file in files if file.exists()]
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def collapsed(scores: pd.DataFrame, study: Study) -> int:
    """How many trainings return their input, or nearly."""
    count = 0
    for run in study.runs.values():
        is_run = (scores["model"] == run.model) & (scores["seed"] == str(run.seed))
        table = verdicts(scores[is_run | (scores["output"] == INPUT)], study)
        count += int(table["verdict"].isin([IS_INPUT, NEARLY_INPUT]).sum())
    return count


def for_reader(table: pd.DataFrame) -> str:
    """The table as Markdown: each smallest lead with its interval in one cell."""
    cells = table.copy()
    for metric in (name for name in SHOWN if f"{name}_lead" in table):
        form = f"+.{METRICS[metric].decimals + 1}f"
        parts = table[[f"{metric}_{name}" for name in ("lead", "low", "high")]].to_numpy(float)
        texts = [estimate(*values, form) for values in parts]
        places = table[f"{metric}_at"].fillna("")
        label = f"smallest lead in {METRICS[metric].label}"
        cells[label] = [" ".join(pair) for pair in zip(texts, places, strict=True)]
        cells = cells.drop(columns=[name for name in table if name.startswith(f"{metric}_")])
    return pipe_table(cells[[name for name in cells if name != "note"] + ["note"]])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--configfile", type=Path, default=ROOT / "config/config.yaml")
    parser.add_argument("--cores", default="all")
    arguments = parser.parse_args()
    arguments.folder = arguments.folder.resolve()
    arguments.configfile = arguments.configfile.resolve()
    rows = []
    for seed in arguments.seeds:
        study = study_of(arguments.configfile, seed)
        is_whole = run(arguments.folder / str(seed), study, arguments)
        row = row_of(arguments.folder / str(seed), study)
        rows.append(row if is_whole else row | {"wins": 0, "note": "a job failed"})
        table = pd.DataFrame(rows).astype({"restarts": "Int64", "collapsed": "Int64"})
        table.to_csv(arguments.folder / "seeds.csv", index=False)
        print(for_reader(table), flush=True)
    won = int((table["wins"] == table["means"]).sum())
    print(f"{won} of {len(table)} seeds win every mean.")
    return int(won < NEEDED * len(table))


if __name__ == "__main__":
    sys.exit(main())
