"""The first page of the results: what stands where, what it says, and how it came about."""

import json
from pathlib import Path

from denoising.evaluation.scores import read_tidy
from denoising.report.first_page import first_page
from denoising.report.methods import methods
from denoising.running.logs import open_log

with open_log(snakemake.log[0]):
    study = snakemake.params.study
    scores = read_tidy(snakemake.input.scores)
    volumes = scores.groupby("tested_on")["volume"].nunique().to_dict()
    record = json.loads(Path(snakemake.input.record).read_text())
    versions = {name: entry["pinned"] for name, entry in record["packages"].items()}
    page = Path(snakemake.input.verdicts).read_text(encoding="utf-8").splitlines()
    text = first_page(
        study,
        [line for line in page if line.startswith("- ")],
        methods(study, volumes, versions, record["commit"]),
        record,
    )
    Path(snakemake.output.page).write_text(text, encoding="utf-8")
