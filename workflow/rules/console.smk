# What the console says when a run starts, and when it ends.

import time

from denoising.report.console import Console
from denoising.running.console import Job, LeavesOutJobs

STARTED = time.time()
MOST_LOGS = 3  # of failed jobs, whose last lines are printed
MOST_LINES = 10
# With -p or --verbose the console is Snakemake's own, and so is that of dry runs
IS_OURS = (
    IS_ALONE
    and workflow.is_main_process
    and not workflow.output_settings.dryrun
    and not workflow.output_settings.printshellcmds
    and not workflow.output_settings.verbose
)

if IS_OURS:
    for handler in logger.handlers:
        if handler.name == "DefaultStreamHandler":
            handler.addFilter(LeavesOutJobs())


def refuse_files_of_the_future():
    """End before any job, if inputs are newer than what is made of them now can be.

    Snakemake would fail each of these jobs when it is done.
    """
    inputs = {
        path
        for job in workflow.dag.needrun_jobs()
        for path in job.input
        if not path.is_ancient and os.path.exists(path)
    }
    future = sorted(str(path) for path in inputs if time_of(path) > STARTED + 60)
    if future:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(time_of(future[0])))
        refuse(
            f"{first_of(future, 1)}: written in the future, at {when} by its time: the clock "
            "was wrong then, or is wrong now. Set the clock right, or give files the present time "
            "by `find results benchmarks -newermt now -exec touch {} +` (your own files by touch), "
            "and run the same command."
        )


def time_of(path):
    """When a file or folder was last written, as Snakemake sees it."""
    stamp = os.path.join(path, ".snakemake_timestamp")
    return os.path.getmtime(stamp if os.path.exists(stamp) else path)


def waiting_jobs():
    """Jobs that have not ended, by Snakemake's number."""
    return {job.jobid: job_of(job) for job in workflow.dag.needrun_jobs()}


def job_of(job):
    return Job(job.rule.name, dict(job.wildcards_dict), tuple(job.log))


def follow_jobs():
    """Say on the console how many jobs will run, and then what matters of them."""
    if not IS_OURS or workflow.output_settings.quiet:
        return
    jobs = waiting_jobs()
    trainings = sum(job.rule == "train" for job in jobs.values())
    of_them = f", {trainings} of them trainings" if trainings else ""
    plural = "" if len(jobs) == 1 else "s"
    logger.info(
        f"{len(jobs)} job{plural} will run{of_them}. For all that Snakemake says of them, "
        f"see {', '.join(workflow.logger_manager.get_logfile())}, or start it with -p."
    )
    logger.addHandler(Console(STUDY, waiting_jobs, logger.info))


def say_what_trains_again():
    """Say on the console which finished models will be trained again, why, and for how long."""
    for job in workflow.dag.needrun_jobs():
        folder = Path("results/models", job.wildcards.get("run", ""))
        if job.rule.name == "train" and (folder / "training.json").is_file():
            reason = workflow.dag.reason(job)
            has_new_data = reason.updated_input or reason.updated_input_run
            why = retraining.cause(
                reason.forced, bool(has_new_data or reason.input_changed)
            )
            settings = training_settings(job.wildcards)
            start = job.params.get("start")
            logger.warning(retraining.announcement(folder, settings, why, start))


def say_what_failed():
    """End with the last lines of failed jobs' logs, and then a sentence for each job that failed.

    An interrupted run has no failed jobs, and ends as Snakemake ends it.
    """
    failed = [
        [job_of(job) for job in getattr(failed, "jobs", [failed])]
        for failed in workflow.scheduler.failed
    ]
    said = sorted(line for jobs in failed for line in failures(jobs))
    if said:
        logs = list({log for jobs in failed for job in jobs for log in job.logs})
        sys.exit("\n".join(["", *ends_of(sorted(logs)), *said]))


def ends_of(logs):
    """The last lines of the first of these logs that were written in this run."""
    written = [
        log
        for log in logs
        if Path(log).is_file() and Path(log).stat().st_mtime >= STARTED
    ]
    for log in written[:MOST_LOGS]:
        if last := lines_before_the_error(Path(log), MOST_LINES):
            yield from [f"The last lines of {log}:", *(f"    {line}" for line in last)]
            yield ""
    yield "Once this is put right, run the same command: what is done stays done."
    yield ""


def failures(jobs):
    """Sentences on the job that failed, or on those in a group that did."""
    sentences = {
        log: sentence_in(Path(log), since=STARTED) for job in jobs for log in job.logs
    }
    said = [f"{text} (log: {log})" for log, text in sentences.items() if text]
    rules = sorted({job.rule for job in jobs})
    return said or [
        f"Rule {' or '.join(rules)} failed without saying why, as a job does that was killed, "
        f"mostly for its memory: start fewer jobs at a time by --cores, or give it more by "
        f"--set-resources {rules[0]}:mem_mb=... (log: {', '.join(sentences)})"
    ]


def say_what_came_out():
    """End with what the study says of its networks, if this run led there, and where to look."""
    made = {str(file) for job in workflow.dag.jobs for file in job.output}
    verdicts = Path("results/tables/verdicts.md")
    findings = "results/findings.html"
    lines = []
    if str(verdicts) in made and verdicts.is_file():
        page = verdicts.read_text(encoding="utf-8").splitlines()
        lines = [line.removeprefix("- ") for line in page if line.startswith("- ")]
        look = findings if findings in made else verdicts
    elif "results/new_images.csv" in made:
        look = Path(STUDY.restore.output, QUICKLOOKS)
    else:
        return
    logger.info("\n".join(["", *lines, f"Look first at {Path(look).absolute()}"]))
