"""The passport of an exported network: its use, its scores, its origin and its limits."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from denoising.evaluation.calibration_summary import calibration_scores, read_calibration
from denoising.evaluation.scores import KEYS, method_of, read_scores, summarise
from denoising.evaluation.verdicts import verdicts
from denoising.report.markdown import estimate, pipe_table
from denoising.study.baselines import BASELINES
from denoising.study.metrics import METRICS, PROTOCOLS, SHOWN
from denoising.study.names import INPUT, PREDICTED, RESCALED
from denoising.study.study import Model, Study

DECIMALS = {metric: f".{METRICS[metric].decimals + 1}f" for metric in SHOWN}


@dataclass(frozen=True)
class Evidence:
    """The files behind a passport.

    Attributes
    ----------
    scores : list of Path
        Of the run, the input and every baseline, on each test set.
    calibration : dict of str to Path
        By test set; empty for a network that predicts no scale.
    training : Path
        training.json of the model folder.
    record : dict
        As `provenance.record` gives it, of the datasets that the network was trained and tested on.
    licence : str
        Of the network; empty where it is not known.
    """

    scores: list[Path]
    calibration: Mapping[str, Path]
    training: Path
    record: Mapping[str, Any]
    licence: str


def passport(run: str, study: Study, evidence: Evidence) -> str:
    """The passport as Markdown.

    Raises
    ------
    ValueError
        If a score is missing or is no number; as `scores.summarise` and `verdicts.verdicts`.
    """
    model = study.models[study.runs[run].model]
    training = json.loads(evidence.training.read_text())
    parts = [
        f"# {run}",
        f"> {study.note}" if study.note else "",
        description(model, study),
        _use(model, study),
        "## Validation on held-out images",
        *_validation(model, study, evidence.scores),
        *_calibration(run, study, evidence.calibration),
        "## Origin",
        _origin(run, study, training, evidence),
        "## Limits",
        _limits(model, study),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def description(model: Model, study: Study) -> str:
    """What the network is, in two sentences."""
    settings = model.training
    axes = study.datasets[model.patches_of].patch_axes
    kind = ", and predicts the scale of its error too" if settings.is_probabilistic else ""
    channels = f", {len(model.channels)} channels" if model.channels else ""
    where = (
        "made elsewhere"
        if model.pretrained
        else f"trained on {study.datasets[model.trained_on].label}"
    )
    return (
        "A network for content-aware restoration (CARE) that removes noise from fluorescence"
        f" microscopy images of the axes {axes}{channels}, {where}. It is a U-Net of csbdeep of"
        f" depth {settings.depth} with kernels of {settings.kernel} voxels{kind}."
    )


def _use(model: Model, study: Study) -> str:
    low, high = study.datasets[model.patches_of].patches.percentiles
    scale = (
        " Its last channels are scales: the restored value has a Laplace distribution of this"
        " scale; 95 % of it lie within 3.0 scales."
        if model.training.is_probabilistic
        else ""
    )
    return (
        f"The network expects each channel of an image with its percentiles {low:g} and {high:g} at"
        " 0 and 1; the bioimage.io package does that. Its output stays normalised: a value v"
        f" stands for low + v (high - low) in the image's units.{scale} Edges must be multiples of"
        f" {2**model.training.depth} voxels: pad by reflection."
    )


def _validation(model: Model, study: Study, paths: list[Path]) -> list[str]:
    scores = read_scores(paths)
    findings = verdicts(scores, study)
    missing = set(model.tested_on) - set(findings["tested_on"])
    if missing:
        files = ", ".join(map(str, paths))
        raise ValueError(
            f"{files}: found no scores of {model.name} and the input on"
            f" {', '.join(sorted(missing))}; delete these files and run again."
        )
    best = dict(zip(findings["tested_on"], findings["best_filter"], strict=True))
    is_shown = (scores["protocol"] == study.protocols[0]) & scores["metric"].isin(SHOWN)
    means = summarise(scores[is_shown], KEYS)
    means = means.assign(method=method_of(means))
    rows = []
    for dataset in model.tested_on:
        methods = {model.name: "network", INPUT: "input", best[dataset]: _filter(best[dataset])}
        for condition in study.datasets[dataset].condition_names:
            for method, label in methods.items():
                is_own = (means["tested_on"] == dataset) & (means["condition"] == condition)
                own = means[is_own & (means["method"] == method)]
                if method:
                    rows.append(_row(own, study, dataset, condition) | {"method": label})
    table = pd.DataFrame(rows)
    columns = ["tested on", "condition", "method", *(METRICS[name].label for name in SHOWN)]
    protocol = PROTOCOLS[study.protocols[0]].description
    return [
        "\n".join(f"- {sentence}" for sentence in findings["sentence"]),
        pipe_table(table[[*columns, "volumes"]]),
        f"Means over test volumes, with intervals of 95 % from three volumes on. {protocol}",
    ]


def _filter(name: str) -> str:
    return f"best filter ({BASELINES[name].label})" if name else ""


def _row(means: pd.DataFrame, study: Study, dataset: str, condition: str) -> dict[str, Any]:
    """One row of the table of scores, of one method's means."""
    tested_on = study.datasets[dataset]
    row: dict[str, Any] = {"tested on": tested_on.label}
    row["condition"] = tested_on.condition_label(condition)
    for mean in means.to_dict("records"):
        label = METRICS[mean["metric"]].label
        row[label] = estimate(mean["mean"], mean["low"], mean["high"], DECIMALS[mean["metric"]])
        row["volumes"] = mean["n"]
    return row


def _calibration(run: str, study: Study, paths: Mapping[str, Path]) -> list[str]:
    """The share of true values in intervals of nominally 95 %, as predicted and rescaled."""
    if not paths:
        return []
    table = read_calibration({(run, dataset): path for dataset, path in paths.items()}, study)
    scores = calibration_scores(table)
    means = summarise(scores[scores["metric"] == "inside"], [*KEYS, "intervals"])
    cells = {
        (row["tested_on"], row["condition"], row["intervals"]): estimate(
            row["mean"], row["low"], row["high"], ".3f"
        )
        for row in means.to_dict("records")
    }
    rows = [
        {
            "tested on": study.datasets[dataset].label,
            "condition": study.datasets[dataset].condition_label(condition),
            **{kind: cells.get((dataset, condition, kind), "") for kind in (PREDICTED, RESCALED)},
        }
        for dataset in paths
        for condition in study.datasets[dataset].condition_names
    ]
    return [
        "## Calibration",
        "Share of true values inside the intervals of nominally 95 %: those of the network, and"
        " those rescaled by factors from validation patches.",
        pipe_table(pd.DataFrame(rows)),
    ]


def _origin(run: str, study: Study, training: Mapping[str, Any], evidence: Evidence) -> str:
    record = evidence.record
    model = study.models[study.runs[run].model]
    lines = [f"study: {study.title}"]
    if model.pretrained:
        lines.append("training: elsewhere; ask its makers for its data and its licence")
    else:
        settings = vars(model.training).items()
        said = ", ".join(f"{name} {value}" for name, value in settings if value is not None)
        lines += [f"training: seed {study.runs[run].seed}, {said}"]
        lines += [f"epochs: {training['epochs']}, weights of epoch {training['best_epoch']}"]
    for name, entry in record["inputs"].items():
        uses = {"training": model.trained_on == name, "test": name in model.tested_on}
        use = " and ".join(use for use, is_used in uses.items() if is_used)
        lines.append(f"{use} data {name}: {_checksums(entry)}")
    changes = ", with uncommitted changes" if record["uncommitted_changes"] else ""
    lines += [f"SHA-256 of {name}: `{value}`" for name, value in training["sha256"].items()]
    lines.append(f"exported by the workflow at commit {record['commit']}{changes}")
    if evidence.licence:
        lines.append(f"licence: {evidence.licence}")
    return "\n".join(f"- {line}" for line in lines)


def _checksums(entry: Mapping[str, Any]) -> str:
    """The source of a dataset with the checksum of an archive, or of each file of a user's own."""
    if entry.get("sha256"):
        return f"{entry['source']}, SHA-256 `{entry['sha256']}`"
    sums = ", ".join(f"{name} `{file['sha256']}`" for name, file in entry["files"].items())
    return f"{entry['source']}, SHA-256 of its files: {sums}"


def _limits(model: Model, study: Study) -> str:
    lines = [
        "The scores hold for images like the test images: other structures, microscopes or noise"
        " need a test of their own.",
        "A restoration may show structures that are not there; do not measure intensities in it"
        " without a look at the input.",
    ]
    if not model.pretrained and len(model.seeds) == 1:
        lines.append("The model was trained once: another training would score otherwise.")
    return "\n".join(f"- {line}" for line in lines)
