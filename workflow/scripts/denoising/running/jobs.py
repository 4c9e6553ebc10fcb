"""What Snakemake recorded of the jobs that made the results.

Snakemake keeps a record per output, JSON in `.snakemake/metadata`, and replaces it when the output
is made anew. The process that a user starts writes it, wherever the job runs, so that the records
of several sessions and of a cluster's jobs lie together.
"""

import base64
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePath


@dataclass(frozen=True)
class Job:
    """A job: its rule; its name, which is that of its log without folder and ending; the files it
    read and wrote; its params as text; start and end in UTC.
    """

    rule: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    settings: tuple[str, ...]
    start: datetime
    end: datetime


def recorded_jobs(folder: Path) -> dict[str, Job]:
    """The job that wrote each output last, by the path of the output.

    Parameters
    ----------
    folder : Path
        Snakemake's `.snakemake/metadata`; may be missing.
    """
    records: dict[tuple, dict[str, dict]] = defaultdict(dict)
    for file in folder.rglob("*"):
        if file.is_file():
            # A name too long for one file is split into folders that begin with @
            name = "".join(part.removeprefix("@") for part in file.relative_to(folder).parts)
            output = _path(base64.urlsafe_b64decode(name).decode())
            record = json.loads(file.read_text())
            records[record["rule"], *(record["log"] or [output])][output] = record
    jobs = [_job(log, by_output) for (_, log, *_), by_output in records.items()]
    return {output: job for job in jobs for output in job.outputs}


def _job(log: str, records: dict[str, dict]) -> Job:
    record = next(iter(records.values()))
    return Job(
        record["rule"],
        str(PurePath(log).with_suffix("")).removeprefix("logs/"),
        tuple(map(_path, record["input"] or [])),
        tuple(sorted(records)),
        tuple(record["params"] or []),
        _time(min(one["starttime"] for one in records.values())),
        _time(max(one["endtime"] for one in records.values())),
    )


def _path(path: str) -> str:
    """The path within the working directory of a result that lies in a bucket."""
    return re.sub(r"^\w+://.*?(?=results/)", "", path)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(round(seconds, 3), UTC)


def jobs_behind(results: Iterable[str], jobs: Mapping[str, Job]) -> list[Job]:
    """The jobs that made the results, what those were made from, and so on; by their start."""
    found = {}
    waiting = list(results)
    while waiting:
        job = jobs.get(waiting.pop())
        if job and job.name not in found:
            found[job.name] = job
            waiting.extend(job.inputs)
    return sorted(found.values(), key=lambda job: (job.start, job.name))
