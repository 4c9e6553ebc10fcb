"""Copy the code beside the results, and describe both as an RO-Crate."""

import json
import logging
import shutil
from pathlib import Path

from denoising.report.crate import COPIED, RESULTS, Rule, Run, known_checksums, write_crate
from denoising.running.jobs import jobs_behind, recorded_jobs
from denoising.running.logs import open_log

with open_log(snakemake.log[0]):
    params = snakemake.params
    repository, code = Path(params.repository), Path(snakemake.output.code)
    root = Path(snakemake.output.crate).parent
    for name in COPIED:
        source = repository / name
        if not source.exists():  # a deployment may be without a licence
            continue
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", ".*")
            shutil.copytree(source, code / name, ignore=ignored, dirs_exist_ok=True)
        else:
            code.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, code / name)
    paths = dict.fromkeys(snakemake.input)
    results = [f"{RESULTS}{Path(path).relative_to(root)}" for path in paths]
    jobs = recorded_jobs(Path(params.records))
    unknown = [name for name in results if name not in jobs]
    if unknown:
        logging.warning(
            "%s: Snakemake has no record of how %s came about, so that the crate does not tell",
            params.records, unknown,
        )  # fmt: skip
    patches = {
        file.parent.name: json.loads(file.read_text())["sha256"]
        for file in sorted(root.glob("patches/*/patches.json"))
    }
    record = json.loads(Path(snakemake.input.record).read_text())
    run = Run(
        params.study.title,
        params.study.note,
        record,
        jobs_behind(results, jobs),
        {name: Rule(**rule) for name, rule in params.rules.items()},
        results,
    )
    write_crate(run, root, known_checksums(record, patches))
