"""Check the results of a study: all there, complete, and the replication models ahead of the input
and of every baseline in NRMSE and SSIM.

Usage: python tests/check_results.py RESULTS

Prints the lead of each mean over the best baseline, and exits with 1 if anything is wrong.
"""

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
from denoising.evaluation.scores import read_tidy  # noqa: E402
from denoising.report.markdown import estimate  # noqa: E402
from denoising.study.baselines import BASELINES  # noqa: E402
from denoising.study.categories import PUBLISHED  # noqa: E402
from denoising.study.config import resolve  # noqa: E402
from denoising.study.metrics import METRICS as NAMED  # noqa: E402
from denoising.study.metrics import OBJECT_METRICS, RESOLUTION  # noqa: E402
from denoising.study.products import figures, resolution_files, tables  # noqa: E402
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
        found += incomplete(scores, study) or not_ahead(replication_leads(scores, study))
        found += without_resolution(scores, study)
    of_this_study = [table for table in tables(study) if table.category != PUBLISHED]
    found += [
        f"{path} does not carry the study's note."
        for path in (results / "tables" / f"{table.name}.md" for table in of_this_study)
        if path.exists() and study.note.split(":")[0] not in path.read_text()
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
    return study, read_tidy(path) if path.exists() else None


def expected_files(study: Study, results: Path) -> list[Path]:
    return [
        results / "scores.csv",
        results / "provenance.json",
        results / "ro-crate-metadata.json",
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
    images = scores[scores["protocol"] != RESOLUTION]
    for tested_on, rows in images.groupby("tested_on"):
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


def without_resolution(scores: pd.DataFrame, study: Study) -> list[str]:
    """Test sets whose resolution was not measured for every compared method and test volume."""
    found = []
    for tested_on, rows in scores.groupby("tested_on"):
        dataset = study.datasets[tested_on]
        files = resolution_files(study, RESOLUTION)
        methods = sum(Path(file).stem == tested_on for file in files)
        directions = 2 if "Z" in dataset.axes else 1
        expected = rows["volume"].nunique() * len(dataset.conditions) * methods * 2 * directions
        count = int((rows["protocol"] == RESOLUTION).sum())
        if count != expected:
            found.append(
                f"scores.csv: {tested_on} has {count} values of resolution, expected {expected}."
            )
    return found


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


def not_ahead(leads: pd.DataFrame) -> list[str]:
    """Where a replication model does not lead the input and every baseline on its own organism."""
    behind = leads[~(leads["lead"] > 0)]
    return [
        f"{_place(row)} {row.value:.4f}, not ahead of {_label(row.reference)} with"
        f" {row.reference_value:.4f}."
        for row in behind.itertuples()
    ]


def lead_lines(leads: pd.DataFrame) -> list[str]:
    """Each mean of the replication models, with its lead over the best baseline."""
    volumes = f"95 % interval over {leads['n'].max()} test volumes"
    lines = [f"Leads over the best baseline, with their {volumes}:"]
    for row in smallest_leads(over_filters(leads)).itertuples():
        lead = estimate(row.lead, row.low, row.high, "+.4f")
        best = f"{_label(row.reference)} {row.reference_value:.4f}"
        lines.append(f"{_place(row)} {row.value:.4f}, {best}, lead {lead}.")
    return lines


def _place(row) -> str:
    return f"{row.method} on {row.tested_on}, condition {row.condition}: {NAMED[row.metric].label}"


def _label(reference: str) -> str:
    return BASELINES[reference].label if reference in BASELINES else f"the {reference}"


def main(results: Path) -> int:
    wrong = problems(results)
    if (results / "config.yaml").exists():
        study, scores = _read(results)
        if scores is not None and not incomplete(scores, study):
            print("\n".join(lead_lines(replication_leads(scores, study))))
    print("\n".join(wrong) or f"{results}: complete, and the replication models lead.")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
