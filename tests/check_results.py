"""Check the results of a study: all there, complete, and the replication models ahead of input and
non-local means.

Usage: python tests/check_results.py RESULTS
"""

import sys
from pathlib import Path

import pandas as pd
import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow/scripts"))

from denoising.study.config import resolve  # noqa: E402
from denoising.study.metrics import OBJECT_METRICS  # noqa: E402
from denoising.study.products import figures, tables  # noqa: E402
from denoising.study.study import Study  # noqa: E402

KEYS = ["model", "seed", "tested_on", "condition", "volume", "output", "protocol", "metric"]
MODEL_FILES = ("config.json", "weights_best.h5", "history.csv", "training.json")
METRICS = {"paper": {"nrmse", "psnr", "ssim"}, "study2019": {"nrmse", "ssim"}}


def problems(results: Path) -> list[str]:
    """What is missing or wrong, a sentence each."""
    if not (results / "config.yaml").exists():
        return [f"{results}/config.yaml is missing: the run has not finished."]
    study, scores = _read(results)
    found = [
        f"{path} is missing or empty."
        for path in expected_files(study, results)
        if not _filled(path)
    ]
    if scores is not None:
        found += incomplete(scores, study) + not_ahead(scores, study)
    found += [
        f"{path} does not carry the study's note."
        for path in sorted((results / "tables").glob("*.md"))
        if study.note.split(":")[0] not in path.read_text()
    ]
    return found


def _read(results: Path) -> tuple[Study, pd.DataFrame | None]:
    """The study that made the results, by the config beside them, and its scores, where there are
    any.
    """
    config = yaml.safe_load((results / "config.yaml").read_text())
    study = resolve(
        config, yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    )
    path = results / "scores.csv"
    text = {"condition": str, "seed": str}
    return study, pd.read_csv(path, dtype=text, keep_default_na=False) if path.exists() else None


def expected_files(study: Study, results: Path) -> list[Path]:
    return [
        results / "scores.csv",
        results / "provenance.json",
        *(
            results / "tables" / f"{table.name}.{kind}"
            for table in tables(study)
            for kind in ("csv", "md")
        ),
        *(
            results / "figures" / f"{figure.name}.{kind}"
            for figure in figures(study)
            for kind in ("pdf", "png", "txt")
        ),
        *(results / "models" / run / name for run in study.runs for name in MODEL_FILES),
        *(
            results / folder / baseline / f"{dataset}.json"
            for folder in ("baselines", "runtimes")
            for baseline in study.baselines
            for dataset in study.tested_datasets
        ),
    ]


def _filled(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def incomplete(scores: pd.DataFrame, study: Study) -> list[str]:
    """Every run and ensemble in every condition on the same volumes, under every protocol, finite,
    once.
    """
    twice = int(scores.duplicated(KEYS).sum())
    found = [f"scores.csv: {twice} values stand twice."] if twice else []
    if not scores["value"].map(lambda value: abs(value) < float("inf")).all():
        found.append("scores.csv: some values are not finite.")
    for tested_on, rows in scores.groupby("tested_on"):
        volumes = rows["volume"].nunique()
        dataset = study.datasets[tested_on]
        simulated = dataset.source.test_volumes if dataset.is_simulated else volumes
        if volumes != simulated:
            found.append(
                f"scores.csv: {tested_on} has {volumes} test volumes, expected {simulated}."
            )
        conditions = len(dataset.conditions)
        values = sum(len(METRICS[protocol]) for protocol in study.protocols)
        values += len(OBJECT_METRICS) if dataset.nuclei else 0
        for (model, seed, output), mine in rows.groupby(["model", "seed", "output"]):
            if len(mine) != volumes * conditions * values:
                found.append(
                    f"scores.csv: {_named(model or output, seed)} on {tested_on} has {len(mine)}"
                    f" values, expected {volumes * conditions * values}."
                )
    known = scores["model"].where(scores["model"] != "", scores["output"])
    scored = set(zip(known, scores["seed"], scores["tested_on"], strict=True))
    missing = [each for each in expected_scores(study) if each not in scored]
    return found + [
        f"scores.csv: {_named(model, seed)} on {dataset} is missing."
        for model, seed, dataset in missing
    ]


def expected_scores(study: Study) -> list[tuple[str, str, str]]:
    """Model, seed and test set of every run; of ensembles, input and baselines without a seed."""
    runs = [(run.model, run.model, str(run.seed)) for run in study.runs.values()]
    ensembles = [(model, name, "") for name, model in study.ensembles.items()]
    networks = [
        (name, seed, dataset)
        for model, name, seed in runs + ensembles
        for dataset in study.models[model].tested_on
    ]
    return networks + [
        (name, "", d) for name in ("input", *study.baselines) for d in study.tested_datasets
    ]


def _named(model: str, seed: str) -> str:
    return f"{model}, seed {seed}," if seed else model


def not_ahead(
    scores: pd.DataFrame, study: Study, others: tuple[str, ...] = ("input", "nlm")
) -> list[str]:
    """Where a replication model does not beat input and non-local means on its own organism's test
    volumes.
    """
    paper = scores[(scores["protocol"] == "paper") & scores["metric"].isin(["nrmse", "ssim"])]
    means = paper.groupby(["tested_on", "metric", "condition", "output", "model"])["value"].mean()
    found = []
    for model in study.comparisons["replication"].models:
        dataset = study.models[model].trained_on
        for metric, sign in (("nrmse", -1), ("ssim", 1)):
            for condition in study.datasets[dataset].condition_names:
                ours = means.get((dataset, metric, condition, "network", model), float("nan"))
                for other in (name for name in others if name in ("input", *study.baselines)):
                    theirs = means.get((dataset, metric, condition, other, ""), float("nan"))
                    if not sign * ours > sign * theirs:
                        scored = f"{metric} is {ours:.4f}, not ahead of {other} with {theirs:.4f}"
                        found.append(f"{model}, condition {condition}: {scored}.")
    return found


def overtaken(results: Path) -> list[str]:
    """Where another tuned baseline leads: no fault of a study, which is trained far less than a
    published one.
    """
    study, scores = _read(results)
    return not_ahead(scores, study, tuple(name for name in study.baselines if name != "nlm"))


if __name__ == "__main__":
    wrong = problems(Path(sys.argv[1]))
    print(
        "\n".join(wrong)
        or f"{sys.argv[1]}: complete, and the replication models lead input and non-local means."
    )
    for lead in [] if wrong else overtaken(Path(sys.argv[1])):
        print(lead)
    sys.exit(bool(wrong))
