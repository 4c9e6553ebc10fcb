"""How a run looks on the console: which of Snakemake's lines are left out, and how far it is.

Snakemake's log file keeps all of its lines. Nothing here needs a package that Snakemake lacks.
"""

import logging
import re
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

TRAINING = "train"  # the rule
# Events and beginnings of Snakemake's lines on each job, and on how it is set up
EVENTS = {
    "job_info", "job_started", "job_finished", "job_error", "group_info", "group_error", "shellcmd",
    "progress", "run_info", "resources_info", "workflow_started",
}  # fmt: skip
CHATTER = re.compile(
    r"Assuming |Building DAG |Using shell|Conda environments: ignored|Group jobs: |Select jobs "
    r"|Execute |DAG of jobs will be updated|Updating checkpoint |Removing temporary "
    r"|Exiting because a job execution failed|RuleException:|CalledProcessError in file "
    r"|Job \S+ has been submitted |Auto-selected partition "
)


class LeavesOutJobs(logging.Filter):
    """Lets through what Snakemake says of other things than single jobs."""

    def filter(self, record: logging.LogRecord) -> bool:
        is_of_jobs = getattr(record, "event", None) in EVENTS
        return not is_of_jobs and not CHATTER.match(str(record.msg))


@dataclass(frozen=True)
class Job:
    """A job of Snakemake: its rule, wildcards and log files."""

    rule: str
    wildcards: dict[str, str]
    logs: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Such as: evaluate (planaria, tribolium)."""
        values = ", ".join(map(str, self.wildcards.values()))
        return f"{self.rule} ({values})" if values else self.rule


@dataclass
class Pace:
    """How fast jobs end, which tells how long the others will take.

    Work is 1 per job, but for trainings: it grows there with the time that they take.
    """

    started: float = field(default_factory=time.monotonic)
    # Of jobs that have ended, by rule
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    work: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, rule: str, work: float, seconds: float) -> None:
        """Count a job that has ended."""
        self.seconds[rule] += seconds
        self.work[rule] += work

    def left(self, jobs: Iterable[tuple[str, float, float]]) -> tuple[float, float] | None:
        """Seconds until all has ended, and the share of the work that is done.

        None before the first training has ended, if there are any. Jobs of other rules that have
        not been timed are taken to last as long as the mean of those that have.

        Parameters
        ----------
        jobs : iterable of (str, float, float)
            Those that have not ended: rule, work, and seconds for which it runs already.
        """
        others = [rule for rule in self.work if rule != TRAINING]
        mean = sum(self.seconds[rule] for rule in others) / max(
            1, sum(self.work[rule] for rule in others)
        )
        needed = 0.0
        busy = sum(self.seconds.values())
        for rule, work, running in jobs:
            if rule == TRAINING and rule not in self.work:
                return None
            each = self.seconds[rule] / self.work[rule] if rule in self.work else mean
            needed += max(0.0, work * each - running)
            busy += running
        at_a_time = max(1.0, busy / max(1.0, time.monotonic() - self.started))
        return needed / at_a_time, busy / max(1.0, busy + needed)
