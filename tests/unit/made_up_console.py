"""A console that keeps what it says, and records like Snakemake's."""

import logging

from denoising.report.console import Console


def new_console(study):
    """One whose `lines` are what it has said, without times, and `jobs` those that wait."""
    lines, jobs = [], {}
    console = Console(study, lambda: jobs, lambda line: lines.append(line.partition("] ")[2]))
    console.lines = lines
    console.jobs = jobs
    return console


def tell(console, event, **values):
    console.emit(logging.makeLogRecord({"event": event, **values}))


def start(console, number, rule, **wildcards):
    tell(console, "job_info", jobid=number, rule_name=rule, wildcards=wildcards)


def run(console, number, rule, **wildcards):
    start(console, number, rule, **wildcards)
    tell(console, "job_finished", job_id=number)
