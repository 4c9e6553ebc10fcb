"""The 2019 study's time per epoch as lines, its overhead beside the time of its validation, and the
steps per epoch that the CARE paper's 30h06 then mean.
"""

import pandas as pd

from denoising.evaluation.published_records import read_histories
from denoising.evaluation.published_times import SWEEPS, epoch_times, steps_for_paper, sweep_line
from denoising.evaluation.runtimes import SAID_2019
from denoising.evaluation.scores import read_tidy
from denoising.report.markdown import Page, Section, duration
from denoising.report.pages import write_table
from denoising.report.score_tables import whole
from denoising.running.logs import open_log


def line_row(times, varies, runtimes):
    """One row of the table: the line through one sweep."""
    fit = sweep_line(times, varies)
    steps = steps_for_paper(fit.line, runtimes)
    return {
        "varies": varies,
        "values": ", ".join(f"{value:g}" for value in fit.rows[varies]),
        "seconds_per_patch": fit.seconds_per_patch,
        "seconds_per_step": fit.line.seconds_per_step,
        "overhead_seconds": fit.line.overhead_seconds,
        "validation_seconds": fit.validation_seconds,
        "teraflop_per_second": fit.teraflop_per_second,
        **{f"implied_steps_{epochs}_epochs": round(value) for epochs, value in steps.items()},
    }


with open_log(snakemake.log[0], snakemake.input):
    histories = read_histories(snakemake.input.records)
    times = epoch_times(histories, read_tidy(snakemake.input.sizes))
    runtimes = read_tidy(snakemake.input.published)
    table = whole(pd.DataFrame([line_row(times, varies, runtimes) for varies in SWEEPS]))
    table["note"] = SAID_2019

    seconds = [name for name in table if name.startswith("seconds_") or name.endswith("_seconds")]
    cells = table.round({"teraflop_per_second": 2})
    cells[seconds] = cells[seconds].map(duration)
    cells["seconds_per_patch"] = table["seconds_per_patch"].map(lambda s: f"{1000 * s:.1f} ms")
    title = "The 2019 study's time per epoch as lines"
    legend = [
        "Lines of least squares through medians, against patches trained on, for steps of 16 "
        "patches. Validation: the time of its patches, if one takes a third of a training patch's "
        "time, as its arithmetic does. Implied steps: where the line reaches the CARE paper's "
        "30h06 on planaria in 200 or in 100 epochs."
    ]
    write_table(table, Page(title, "", [Section(cells)], legend), snakemake.output)
