"""Figures 4 and 5: scores against the one setting that a sweep varies, in both of its arms."""

from denoising.evaluation.comparisons import sweep_means
from denoising.evaluation.scores import OURS, read_scores, read_tidy
from denoising.report import score_panels as panels
from denoising.report import style
from denoising.study.baselines import BASELINES

UNITS = {"batch_size": " (patches)", "steps_per_epoch": " (batches)", "width": " (features)"}
ARMS = {
    "all else the same": {"color": style.COLOURS[0], "marker": "o", "linestyle": "-"},
    "the same number of patches": {"color": style.COLOURS[1], "marker": "D", "linestyle": "--"},
}
ENSEMBLE = {"marker": style.ENSEMBLE_MARKER, "linestyle": ""}
NUDGES = (-0.07, 0.07)  # of a place, so that the arms do not hide one another


def draw_panel(ax, rows):
    """The arms against the varied setting, the best filter as a line, the published values open."""
    ours = rows[rows["source"] == OURS]
    panels.draw_input(ax, ours, {ours["condition"].iloc[0]: (len(places) - 1) / 2})
    for best, level in ours[ours["method"].isin(BASELINES)].set_index("method")["mean"].items():
        ax.axhline(level, color=BASELINES[best].colour, linestyle=":")
    for (arm, models), nudge in zip(arms.items(), NUDGES, strict=False):
        chosen = ours[ours["method"].isin(models)]
        panels.draw_means(ax, chosen["place"] + nudge, chosen, **ARMS[arm])
        chosen = ours[ours["method"].map(study.ensembles).isin(models)]
        panels.draw_means(ax, chosen["place"] + 3 * nudge, chosen, **ARMS[arm] | ENSEMBLE)
    panels.draw_published(ax, rows["place"], rows["mean"], rows["source"], color="0.3", marker="s")


with style.drawing(snakemake) as study:
    sweep = study.sweeps[snakemake.wildcards.figure]
    arms = dict(zip(ARMS, filter(None, (sweep.models, sweep.matched)), strict=False))
    scores = read_scores(snakemake.input.scores)
    means = sweep_means(scores, read_tidy(snakemake.input.published), sweep, study)
    rows = panels.by_condition(panels.with_panels(means, study), study)
    places = {value: i for i, value in enumerate(rows["value"].dropna().unique())}
    rows["place"] = rows["value"].map(places)
    grid = panels.score_grid(rows, 36.0, sharex="col", sharey="row").set(ymargin=0.15)
    for (i, j, _), data in grid.facet_data():
        draw_panel(grid.axes[i, j], data)

    # A published model may have another value than ours of the same name
    known = rows[rows["source"] != OURS].set_index("value").get(sweep.varies, {})
    known = {ours: value for ours, value in known.items() if value != ours}
    labels = [f"{v:g}\n({known[v]:g})" if v in known else f"{v:g}" for v in places]
    words = sweep.varies.replace("_", " ") + UNITS.get(sweep.varies, "")
    words += "; published in brackets" if known else ""
    grid.axes[-1, len(grid.col_names) // 2].set_xlabel(words)  # once, as columns are narrow
    grid.set(xticks=range(len(places)), xticklabels=labels, xlim=(-0.5, len(places) - 0.5))

    legend = panels.filter_entries(rows, study, marker="", linestyle=":")
    legend += [style.entry(arm, **ARMS[arm]) for arm in arms]
    if study.ensembles.keys() & set(rows["method"]):
        legend.append(style.entry("ensembles", **ENSEMBLE))
    legend += panels.published_entries(rows, "s")
    style.finish(grid.figure, snakemake, style.interval_note(rows, study), legend)
