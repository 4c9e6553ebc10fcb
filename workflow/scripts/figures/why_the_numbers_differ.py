"""From the 2019 study's numbers to the CARE paper's on the same restorations, a change per step."""

import pandas as pd

from denoising.evaluation.ladder_summary import explanation_means
from denoising.evaluation.protocol_ladder import PAPER_STEP
from denoising.evaluation.published import published_scores
from denoising.evaluation.scores import method_of, read_tidy
from denoising.report import score_panels as panels
from denoising.report import style
from denoising.study.metrics import METRICS, SHOWN

STEPS = {
    "2019, roles swapped": "2019 study: input\ntaken for ground truth",
    "2019, roles right": "2019 study's protocol,\nroles as they should be",
    "input rescaled": "+ input fitted\nto the ground truth",
    "SSIM data range 1": "+ SSIM with\ndata range 1",
    "means subtracted (paper)": "+ means subtracted:\nCARE paper's protocol",
}
LINES = {"cleanest condition": "-", "between": "--", "noisiest": ":"}
NUDGE = 0.12  # of a step, between one condition and the next
SERIES = ["tested_on", "metric", "method", "condition"]


def draw_panel(ax, means):
    """A line per method and condition, with its published values at both ends."""
    names = study.datasets[means["tested_on"].iloc[0]].condition_names
    lines = dict.fromkeys(names, "--") | {names[-1]: ":", names[0]: "-"}
    for (method, condition), rows in means.groupby(["method", "condition"], sort=False):
        y = rows["step"] + NUDGE * (names.index(condition) - (len(names) - 1) / 2)
        line = {"xerr": panels.reach_of(rows), "linestyle": lines[condition]}
        ax.errorbar(rows["mean"], y, **looks[method], **line)
        known = published.merge(rows[SERIES].drop_duplicates())
        is_paper = known["source"].str.startswith("CARE paper")
        ends = is_paper.map({True: y.max(), False: y.min()})
        panels.draw_published(ax, known["mean"], ends, known["source"], **looks[method])
    labels = means.drop_duplicates("step").set_index("step")["label"].sort_index()
    ax.set_yticks(labels.index, labels.replace(STEPS))
    ax.set_ylim(labels.index.max() + 0.5, labels.index.min() - 0.5)
    ax.grid(axis="x")


with style.drawing(snakemake) as study:
    means = explanation_means(read_tidy(snakemake.input.explanation))
    # What other programs print is no step from one protocol to the other; the table has it
    means = means[(means["step"] <= PAPER_STEP) & means["metric"].isin(SHOWN)]
    means["method"] = method_of(means)
    datasets = [name for name in study.datasets if name in set(means["tested_on"])]
    published = read_tidy(snakemake.input.published)
    published = pd.concat([published_scores(published, study, name) for name in datasets])
    looks = style.looks(study)

    facets = {"row": "tested_on", "row_order": datasets, "col": "metric", "col_order": SHOWN}
    grid = style.grid_of(means, 52.0, sharex="col", sharey="row", **facets)
    for (i, j, _), rows in grid.facet_data():
        draw_panel(grid.axes[i, j], rows)
        grid.axes[-1, j].set_xlabel(METRICS[SHOWN[j]].axis)
        grid.axes[i, 0].set_title(study.datasets[datasets[i]].label, loc="left", weight="bold")

    legend = style.entries([name for name in looks if name in set(means["method"])], study)
    drawn = {line.get_linestyle() for ax in grid.axes.flat for line in ax.lines}
    legend += [style.entry(name, linestyle=line) for name, line in LINES.items() if line in drawn]
    legend += panels.published_entries(published)
    note = style.interval_note(means, study) + " Each step keeps the changes above it."
    style.finish(grid.figure, snakemake, note, legend)
