"""What a study will do, on one page: what was found in the images, what trains, what it takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from denoising.running.names import first_of
from denoising.study.names import TRUTH
from denoising.study.study import Dataset, Study

GIGA = 1e9
MOST_WARNINGS = 10
MOST_NAMES = 10


class Hours(NamedTuple):
    """The shortest and the longest time that is expected."""

    least: float
    most: float

    def __str__(self) -> str:
        if self.most < 1 / 60:
            return "less than a minute"
        if self.most < 1:
            return f"{_two(self.least * 60)} to {_two(self.most * 60)} minutes"
        return f"{_two(self.least)} to {_two(self.most)} hours"


@dataclass(frozen=True)
class Machine:
    """Where the study runs: its device, FLOP per second, and bytes of disk and memory."""

    device: str
    matmul_rate: float
    free_disk: int
    memory: int


@dataclass(frozen=True)
class Needs:
    """What a study takes; trainings by the names of the runs that are still to train.

    Disk is in bytes by what it holds; `unknown` names datasets whose images are not here yet.
    """

    hours: Mapping[str, Hours]
    memory: float
    disk: Mapping[str, int]
    unknown: list[str]


def page(study: Study, images: list[str], needs: Needs, machine: Machine) -> str:
    """The page as plain text; `images` are lines on what was found in the images."""
    lines = [f"What will run: {study.title}", "", *images, "", _trainings(study, needs)]
    lines += [f"  {run}: {hours}" for run, hours in needs.hours.items()]
    lines += ["", _time(needs, machine), _disk(study, needs, machine)]
    if needs.hours:
        lines += [_memory(needs, machine)]
    if needs.unknown:
        lines += [
            f"Not counted, because their images are not here yet: {', '.join(needs.unknown)}."
        ]
    return "\n".join(lines) + "\n"


def found_in(dataset: Dataset, images: pd.DataFrame, warnings: list[str]) -> list[str]:
    """What is known of a dataset's images, and the first warnings about them, a line each."""
    truths = images[images["condition"] == TRUTH]
    tests = truths[truths["part"] == "test"]
    counts = f"{len(truths) - len(tests)} to train on, {len(tests)} to test on"
    if dataset.is_pairs:
        counts += f" ({first_of(list(tests['pair']), MOST_NAMES)})"
        said = "warnings:" if warnings else "nothing to warn of"
        found = f"{len(truths)} image pairs, all looked at: {counts}; {said}"
    elif dataset.is_simulated:
        found = f"specimens that are simulated here: {counts}"
    elif images.empty:
        found = "an archive; its images are checked as it is unpacked"
    else:
        found = f"an archive, unpacked: {counts}"
    lines = [f"{dataset.name}: {found}", *(f"  {warning}" for warning in warnings[:MOST_WARNINGS])]
    if len(warnings) > MOST_WARNINGS:
        lines += [f"  and more, in results/checks/{dataset.name}.txt"]
    return lines


def _trainings(study: Study, needs: Needs) -> str:
    total = len(study.trainings)
    left = len(needs.hours)
    if not total:
        return "Models: none to train."
    if not left:
        return f"Models: all {total} trainings are done."
    done = f", {total - left} are done" if total > left else ""
    return f"Models: {left} of {total} trainings to run{done}."


def _time(needs: Needs, machine: Machine) -> str:
    if not needs.hours:
        return "Time: nothing to train; restorations, scores and figures may follow."
    total = Hours(*map(sum, zip(*needs.hours.values(), strict=True)))
    return (
        f"Time: {total} for the trainings, one after another; then restorations and scores."
        f" This machine ({machine.device}) multiplies matrices at"
        f" {_two(machine.matmul_rate / GIGA)} GFLOP/s; the times are for trainings at 30 to 40 % of"
        " that, as on a CPU. Each training says after a minute how long it will take."
    )


def _disk(study: Study, needs: Needs, machine: Machine) -> str:
    parts = ", ".join(f"{name} {_size(size)}" for name, size in needs.disk.items() if size)
    total = sum(needs.disk.values())
    if not total:
        return f"Disk: not known yet; {_size(machine.free_disk)} are free."
    kept = "" if study.restoration.keep else " (restorations go once they are scored)"
    free = f"{_size(machine.free_disk)} are free"
    short = ". FREE MORE before you start" if total > machine.free_disk else ""
    return f"Disk: {_size(total)} in results/: {parts}{kept}; {free}{short}."


def _memory(needs: Needs, machine: Machine) -> str:
    short = ""
    if needs.memory > machine.memory:
        short = ". IT WILL NOT FIT: set a smaller training.batch_size or patches.shape"
    return (
        f"Memory: {_size(needs.memory)} for the largest training, at a time; the machine has"
        f" {_size(machine.memory)}{short}."
    )


def _size(size: float) -> str:
    return f"{_two(size / GIGA)} GB" if size >= GIGA / 10 else f"{_two(max(1, size / 1e6))} MB"


def _two(number: float) -> str:
    """Two significant digits, and no exponent."""
    rounded = float(f"{number:.2g}")
    return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:g}"
