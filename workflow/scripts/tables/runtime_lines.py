"""Training time against steps per epoch as lines, and what they say of the CARE paper's times.

A line runs through the runs of one source that differ in nothing but steps per epoch. The paper's
hours are read off the published lines only: ours were drawn on another machine.
"""

import pandas as pd

from denoising.evaluation.published import published_runtimes
from denoising.evaluation.runtimes import (
    SAID_2019,
    STEPS_2019,
    group_line,
    implied_for_paper,
    line_groups,
    our_runtimes,
)
from denoising.evaluation.scores import read_tidy
from denoising.report.markdown import Page, Section, duration
from denoising.report.pages import write_table
from denoising.report.score_tables import whole
from denoising.running.logs import open_log

COLUMNS = ["source", "trained_on", "epochs", "batch_size", "steps", "seconds_per_step"]
COLUMNS += ["overhead_seconds", "paper_hours"]
COLUMNS += ["implied_steps_200_epochs", "implied_steps_100_epochs", "note"]


def line_row(group: pd.DataFrame, published: pd.DataFrame) -> dict:
    """One row of the table: the line through one group of runs."""
    steps = sorted(group["steps_per_epoch"].unique())
    row = {
        **group.iloc[0][["source", "trained_on", "epochs", "batch_size"]],
        "steps": ", ".join(f"{number:g}" for number in steps),
        **group_line(group)._asdict(),
        "note": "",
    }
    points = implied_for_paper(group, published)
    if points:
        row["paper_hours"] = points[0].hours
        row |= {f"implied_steps_{point.epochs}_epochs": round(point.steps) for point in points}
        times = [
            f"{point.steps / STEPS_2019:.1f} times {STEPS_2019} at {point.epochs} epochs"
            for point in points
        ]
        said = f"; {SAID_2019}" if row["trained_on"] == "planaria" else ""
        row["note"] = f"implied: {', '.join(times)}{said}"
    return row


with open_log(snakemake.log[0], snakemake.input):
    study = snakemake.params.study
    published = published_runtimes(read_tidy(snakemake.input.published), study)
    histories = dict(zip(study.trainings, snakemake.input.histories, strict=True))
    groups = line_groups(published) + line_groups(our_runtimes(histories, study))
    rows = [line_row(group, published) for group in groups]
    table = whole(pd.DataFrame(rows, columns=COLUMNS))

    cells = table.assign(
        paper_hours=(table["paper_hours"].astype(float) * 3600).map(duration),
        seconds_per_step=table["seconds_per_step"].map(duration),
        overhead_seconds=table["overhead_seconds"].map(duration),
    )
    title = f"{study.title}: runtime against steps per epoch"
    legend = ["A line through runs of three or more numbers of steps per epoch, by least squares."]
    write_table(table, Page(title, study.note, [Section(cells)], legend), snakemake.output)
