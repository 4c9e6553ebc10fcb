"""The lines of a run's console: what matters of the jobs as they start, end and fail.

Snakemake itself writes them: nothing here needs a package that Snakemake lacks.
"""

import csv
import json
import logging
import math
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

from denoising.running.console import TRAINING, Job, Pace
from denoising.study.baselines import BASELINES
from denoising.study.names import INPUT, TRUTH
from denoising.study.study import Study

RESULTS = Path("results")
PLAN = RESULTS / "checks/plan.txt"
FEWEST_JOBS = 10  # of which a share is said
LONGEST_SILENCE = 300  # seconds


class Console(logging.Handler):
    """Follows Snakemake's records, and says a line for each event that matters.

    Parameters
    ----------
    study : Study
    waiting : callable
        Gives the jobs that have not ended, by Snakemake's number. Some executors, such as that of
        Slurm, say of a job that it has ended and never that it has started.
    say : callable
        Takes a line.
    """

    def __init__(
        self, study: Study, waiting: Callable[[], dict[int, Job]], say: Callable[[str], None]
    ) -> None:
        super().__init__()
        self.study = study
        self.waiting = waiting
        self.say = say
        self.running: dict[int, tuple[Job, float]] = {}
        self.known = waiting()
        self.failed: set[int] = set()
        self.unsaid: list[tuple[str, str]] = []  # scored networks and their test sets
        self.pace = Pace()
        self.tenths = 0
        self.spoke = time.monotonic()

    def emit(self, record: logging.LogRecord) -> None:
        """Say what is to be said of the record; a fault here never ends a run."""
        try:
            lines = self._lines(record)
        except Exception:
            self.handleError(record)
            return
        for line in lines:
            self.say(f"[{time.strftime('%H:%M:%S')}] {line}")
            self.spoke = time.monotonic()

    def _lines(self, record: logging.LogRecord) -> list[str]:
        event = getattr(record, "event", None)
        values = vars(record)
        if event == "job_info":
            job = Job(values["rule_name"], dict(values["wildcards"]))
            self.known[values["jobid"]] = job
            self.running[values["jobid"]] = (job, time.monotonic())
            self.failed.discard(values["jobid"])  # it is tried again
            return self._started(job)
        ended = self._known(values["job_id"]) if event == "job_finished" else None
        if ended:
            if started := self.running.pop(values["job_id"], None):
                self.pace.add(ended.rule, self._work(ended), time.monotonic() - started[1])
            return self._ended(ended)
        is_new = event == "job_error" and values["jobid"] not in self.failed
        failed = self._known(values["jobid"]) if is_new else None
        if failed:
            self.failed.add(values["jobid"])
            line = f"FAILED: {failed.name}"
            # What the cluster says, such as that the time was up
            return [line + (f": {values['rule_msg']}" if values["rule_msg"] else "")]
        if event == "progress":
            return self._progress(values["done"], values["total"])
        return []

    def _known(self, number: int) -> Job | None:
        """The job of this number; checkpoints add jobs while a run goes on."""
        if number not in self.known:
            self.known |= self.waiting()
        return self.known.get(number)

    def _started(self, job: Job) -> list[str]:
        if job.rule != TRAINING:
            return []
        run = job.wildcards["run"]
        settings = self.study.models[self.study.runs[run].model].training
        planned = _planned(run)
        return [
            f"{run}: training starts, {settings.epochs} epochs of {settings.steps_per_epoch} steps"
            f" of {settings.batch_size} patches{planned}"
        ]

    def _ended(self, job: Job) -> list[str]:
        dataset = job.wildcards.get("dataset", "")
        if job.rule == "check_pairs":
            return _pairs(dataset)
        if job.rule == "unpack":
            return _volumes(dataset)
        if job.rule == TRAINING:
            return [_trained(job.wildcards["run"])]
        if job.rule == "evaluate":
            return self._scored(job.wildcards["method"], dataset)
        return []

    def _scored(self, method: str, dataset: str) -> list[str]:
        """The scores of networks, once those of the input and of all filters are there."""
        references = (INPUT, *self.study.baselines)
        if method not in references:
            self.unsaid.append((method, dataset))
        missing = {
            job.wildcards["dataset"]
            for job in self.waiting().values()
            if job.rule == "evaluate" and job.wildcards["method"] in references
            if (job.wildcards["method"], job.wildcards["dataset"]) != (method, dataset)
        }
        lines = [
            line
            for pair in self.unsaid
            if pair[1] not in missing
            for line in _score(self.study, *pair)
        ]
        self.unsaid = [pair for pair in self.unsaid if pair[1] in missing]
        return lines

    def _progress(self, done: int, total: int) -> list[str]:
        """How far the run is, ten times in all, and after a long silence."""
        tenths = 10 * done // total
        is_news = tenths > self.tenths or time.monotonic() - self.spoke > LONGEST_SILENCE
        if not is_news or total < FEWEST_JOBS or done == total:
            return []
        self.tenths = tenths
        now = time.monotonic()
        starts = {job.name: start for job, start in self.running.values()}
        left = self.pace.left(
            (job.rule, self._work(job), now - starts.get(job.name, now))
            for job in self.waiting().values()
        )
        line = f"{done} of {total} jobs are done"
        if left:
            seconds, share = left
            line += f", {share:.0%} of the work; about {_duration(seconds)} left"
        return [line]

    def _work(self, job: Job) -> float:
        """Voxels that a training sees, times the square of its width; 1 of other jobs."""
        if job.rule != TRAINING:
            return 1.0
        model = self.study.models[self.study.runs[job.wildcards["run"]].model]
        patch = self.study.datasets[model.patches_of].patches.shape
        return math.prod((model.training.patches_seen, model.training.width**2, *patch))


def _score(study: Study, method: str, dataset: str) -> list[str]:
    """The NRMSE of a network beside those of the input and the best filter."""
    protocol = study.protocols[0]
    known = {
        name: score
        for name in (method, INPUT, *study.baselines)
        if (score := _nrmse(name, dataset, protocol)) is not None
    }
    if method not in known:
        return []
    line = f"{method} on {study.datasets[dataset].label}: NRMSE {known.pop(method):.4f}"
    if INPUT in known:
        line += f", input {known.pop(INPUT):.4f}"
    if known:
        best = min(known, key=lambda name: known[name])
        line += f", best filter ({BASELINES[best].label}) {known[best]:.4f}"
    return [line]


def _rows(path: Path) -> list[dict[str, str]]:
    """Rows of a table; none if it lies elsewhere, as in a storage."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _pairs(dataset: str) -> list[str]:
    """What was found in a user's own images."""
    rows = _rows(RESULTS / "checks" / f"{dataset}.csv")
    if not rows:
        return []
    tests = len({row["pair"] for row in rows if row["part"] == "test"})
    count = len({row["pair"] for row in rows})
    line = f"{dataset}: {count} image pairs, {count - tests} to train on, {tests} to test on"
    path = RESULTS / "checks" / f"{dataset}.txt"
    warnings = len(path.read_text(encoding="utf-8").splitlines())
    return [f"{line}; {warnings} warnings" + (f", in {path}" if warnings else "")]


def _volumes(dataset: str) -> list[str]:
    """What an archive held."""
    rows = _rows(RESULTS / "volumes" / dataset / "volumes.csv")
    if not rows:
        return []
    counts = Counter(part for part, _ in {(row["part"], row["volume"]) for row in rows})
    conditions = len({row["condition"] for row in rows} - {TRUTH})
    source = f"{counts['train']} volumes" if counts["train"] else "patches of the archive"
    return [
        f"{dataset}: {source} to train on, {counts['test']} volumes to test on, in {conditions}"
        " conditions"
    ]


def _planned(run: str) -> str:
    """What `snakemake check` has written on how long the training will take."""
    lines = PLAN.read_text(encoding="utf-8").splitlines() if PLAN.is_file() else []
    start = f"  {run}: "
    return "".join(f"; planned: {line[len(start) :]}" for line in lines if line.startswith(start))


def _trained(run: str) -> str:
    path = RESULTS / "models" / run / "training.json"
    if not path.is_file():
        return f"{run}: trained"
    training = json.loads(path.read_text(encoding="utf-8"))
    return f"{run}: trained, best in epoch {training['best_epoch']} of {training['epochs']}"


def _nrmse(method: str, dataset: str, protocol: str) -> float | None:
    """Mean over volumes and conditions."""
    rows = _rows(RESULTS / "scores" / method / f"{dataset}.csv")
    values = [
        float(row["value"])
        for row in rows
        if (row["protocol"], row["metric"]) == (protocol, "nrmse")
    ]
    return fmean(values) if values else None


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
