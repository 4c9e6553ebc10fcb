"""The findings on one page: as README.md of the results, and for a browser."""

import json
from pathlib import Path

from denoising.evaluation.headline import headline
from denoising.evaluation.scores import read_tidy
from denoising.evaluation.verdicts import held_out, sentences, verdicts
from denoising.images.pairs import held_out_files
from denoising.report.first_page import Findings, as_html, as_markdown
from denoising.report.methods import methods
from denoising.report.pages import write_page
from denoising.report.score_tables import verdict_cells
from denoising.running.logs import open_log
from denoising.running.outputs import write_whole

with open_log(snakemake.log[0], snakemake.input):
    study = snakemake.params.study
    scores = read_tidy(snakemake.input.scores)
    table = verdicts(scores, study)
    record = json.loads(Path(snakemake.input.record).read_text())
    versions = {name: entry["pinned"] for name, entry in record["packages"].items()}
    volumes = scores.groupby("tested_on")["volume"].nunique().to_dict()
    findings = Findings(
        headline(table, scores, read_tidy(snakemake.input.published), study),
        held_out(scores, study, study.tested_datasets, held_out_files(snakemake.input.records))
        + sentences(table, study.tested_datasets),
        verdict_cells(table, study),
        methods(study, volumes, versions, record["commit"]),
        record,
    )
    write_whole(snakemake.output.markdown, as_markdown(study, findings))
    write_page(study.title, as_html(study, findings), snakemake.output.html)
