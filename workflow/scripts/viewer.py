"""Write the viewer of a test set: one HTML page that shows it volume by volume."""

import json
from pathlib import Path

import pandas as pd

from denoising.evaluation.scores import read_tidy
from denoising.report.examples import strength_label, strongest
from denoising.report.viewer_words import page_data, words_of
from denoising.restoration.viewer_page import write_viewer
from denoising.running.logs import open_log
from denoising.study.names import INPUT
from denoising.study.networks import trained_on_label
from denoising.study.viewed import runs_left_out, viewed_runs

with open_log(snakemake.log[0], snakemake.input):
    study = snakemake.params.study
    dataset = study.datasets[snakemake.wildcards.dataset]
    methods = {INPUT: ("input", "on its own grey scale")}
    best = strongest([Path(path) for path in snakemake.input.choices])
    if best:
        words = f"{strength_label(best)}: best on validation patches"
        methods[best["baseline"]] = ("best filter", words)
    runs = viewed_runs(study, dataset.name)
    for run in runs:
        methods[run] = (run, f"network trained {trained_on_label(study.runs[run].model, study)}")
    files = {Path(path).parent.name: path for path in snakemake.input.scores}
    scores = pd.concat([read_tidy(files[name]).assign(method=name) for name in methods])
    data = page_data(
        json.loads(Path(snakemake.input.sections).read_text(encoding="utf-8")),
        methods,
        runs[0],
        {name: dataset.condition_label(name) for name in dataset.condition_names},
        scores[scores["protocol"] == "paper"],
    )
    data |= {
        "title": f"{dataset.label}: every test volume beside its ground truth",
        "note": study.note,
        "words": words_of(data, runs[0], runs_left_out(study, dataset.name)),
    }
    write_viewer(Path(snakemake.input.template), data, Path(snakemake.output.page))
