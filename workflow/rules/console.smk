# What the console says when a run starts, and when it ends.

import time

STARTED = time.time()


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
    """End with one sentence for each job that failed, in place of Snakemake's own last line.

    An interrupted run has no failed jobs, and ends as Snakemake ends it.
    """
    said = [
        line
        for failed in workflow.scheduler.failed
        for line in failures(list(getattr(failed, "jobs", [failed])))
    ]
    if said:
        sys.exit("\n" + "\n".join(sorted(said)))


def failures(jobs):
    """Sentences on the job that failed, or on those in a group that did."""
    sentences = {
        log: sentence_in(Path(log), since=STARTED) for job in jobs for log in job.log
    }
    said = [f"{text} (log: {log})" for log, text in sentences.items() if text]
    rules = " or ".join(sorted({job.rule.name for job in jobs}))
    return said or [
        f"Rule {rules} failed without saying why, as a job does that was killed; the lines above "
        f"may tell (log: {', '.join(sentences)})"
    ]


def say_what_came_out():
    """End with what the study says of its networks, if this run led there, and where to look."""
    made = {str(file) for job in workflow.dag.jobs for file in job.output}
    verdicts = Path("results/tables/verdicts.md")
    figure = "results/figures/fig2_restoration.png"
    lines = []
    if str(verdicts) in made and verdicts.is_file():
        page = verdicts.read_text(encoding="utf-8").splitlines()
        lines = [line.removeprefix("- ") for line in page if line.startswith("- ")]
        look = figure if figure in made else verdicts
    elif "results/new_images.csv" in made:
        look = Path(STUDY.restore.output, QUICKLOOKS)
    else:
        return
    logger.info("\n".join(["", *lines, f"Look first at {Path(look).absolute()}"]))
