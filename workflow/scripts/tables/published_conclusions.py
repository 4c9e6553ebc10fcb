"""Which conclusions of the 2019 study survive the spread of its own equal trainings.

The CSV has a row per conclusion and measure. The Markdown begins with a row per conclusion, which
shows the NRMSE in condition 1.
"""

import pandas as pd

from denoising.evaluation.published_conclusions import Records, conclusion_rows, overall
from denoising.evaluation.published_records import read_histories
from denoising.evaluation.scores import read_tidy
from denoising.report.markdown import Page, Section, estimate
from denoising.report.pages import write_table
from denoising.running.logs import open_log
from denoising.study.metrics import METRICS

FORM = "+.4f"
LEGEND = (
    "Difference: method less reference, with its 95 % interval (Student's t) over the 20 test "
    "volumes of planaria where the records hold each volume (scores of 7 April 2019); else between "
    "means of the final tables, whose volumes are not published. Standard deviation of equal "
    "trainings: of the best validation loss over three, of the mean scores over two of them, "
    "pooled over conditions. A conclusion survives in a measure if the difference has the "
    "claimed sign, its interval excludes 0, and it is larger than Student's t over equal "
    "trainings allows two single trainings to differ (95 %). Two equal trainings can refute, "
    "and hardly confirm: Student's quantile is 12.7 then."
)


def shown(rows):
    """The difference of each row with its interval over volumes, as text."""
    values = zip(rows["difference"], rows["low"], rows["high"], strict=True)
    return [estimate(value, low, high, FORM) for value, low, high in values]


def measure_of(row):
    if row["metric"] in METRICS:
        return f"{METRICS[row['metric']].label}, C{row['condition']}"
    return "validation loss"


with open_log(snakemake.log[0], snakemake.input):
    records = Records(
        read_histories(snakemake.input.records),
        read_tidy(snakemake.input.volumes),
        read_tidy(snakemake.input.published),
    )
    table = conclusion_rows(read_tidy(snakemake.input.conclusions), records)
    verdicts = table.groupby("conclusion")["survives"].agg(overall)

    rows = table.assign(
        measure=table.apply(measure_of, axis=1),
        difference=shown(table),
        equal_sd=table["equal_sd"].round(4),
        reach=table["reach"].round(4),
    )
    first = rows[(rows["metric"] == "nrmse") & (rows["condition"] == "1")]
    summary = pd.DataFrame(
        {
            "conclusion": first["conclusion"],
            "claimed": first["claimed"],
            "difference in NRMSE, C1 (over volumes)": first["difference"],
            "sd between two equal trainings": first["equal_sd"],
            "survives": first["conclusion"].map(verdicts),
            "note": first["note"],
        }
    )
    names = ["conclusion", "measure", "method", "reference", "difference"]
    names += ["equal_sd", "equal_trainings", "reach", "survives"]
    title = "Which conclusions of the 2019 study survive"
    sections = [Section(summary, "Conclusions"), Section(rows[names], "Measures")]
    write_table(table, Page(title, "", sections, [LEGEND]), snakemake.output)
