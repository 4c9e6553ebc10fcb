"""Figures 4 and 5: scores against the one setting that a sweep varies, in both of its arms."""

from denoising.evaluation.comparisons import compared_means
from denoising.evaluation.scores import OURS, read_scores, read_tidy
from denoising.report import score_panels as panels
from denoising.report import style
from denoising.running.logs import open_log
from denoising.study.baselines import BASELINES

UNITS = {"batch_size": " (patches)", "steps_per_epoch": " (batches)", "width": " (features)"}
ARMS = {
    "all else the same": {"color": style.COLOURS[0], "marker": "o", "linestyle": "-"},
    "the same number of patches": {"color": style.COLOURS[1], "marker": "D", "linestyle": "--"},
}
ENSEMBLE = {"marker": style.ENSEMBLE_MARKER, "linestyle": ""}
NUDGES = (-0.07, 0.07)  # of a place, so that the arms do not hide one another


def setting(name):
    """The value of a model or an ensemble that the sweep varies."""
    return getattr(study.training_of(name), sweep.varies)


def draw_panel(ax, rows):
    """The arms against the varied setting, the best filter as a line, the published values open."""
    ours = rows[rows["source"] == OURS]
    panels.draw_input(ax, ours, {ours["condition"].iloc[0]: (len(values) - 1) / 2})
    for best, level in ours[ours["method"].isin(BASELINES)].set_index("method")["mean"].items():
        ax.axhline(level, color=BASELINES[best].colour, linestyle=":")
    for (arm, models), nudge in zip(arms.items(), NUDGES, strict=False):
        chosen = ours[ours["method"].isin(models)]
        panels.draw_means(ax, chosen["place"] + nudge, chosen, **ARMS[arm])
        chosen = ours[ours["method"].map(study.ensembles).isin(models)]
        panels.draw_means(ax, chosen["place"] + 3 * nudge, chosen, **ARMS[arm] | ENSEMBLE)
    panels.draw_published(ax, rows["place"], rows, color="0.3", marker="s")


with open_log(snakemake.log[0]):
    style.use_theme()
    study = snakemake.params.study
    sweep = study.sweeps[snakemake.wildcards.figure]
    arms = dict(zip(ARMS, filter(None, (sweep.models, sweep.matched)), strict=False))
    values = sorted({setting(name) for name in sweep.models})
    published = read_tidy(snakemake.input.published)
    means = compared_means(read_scores(snakemake.input.scores), published, study)
    rows = panels.with_panels(means, study)
    # Published marks stand at the published value of the varied setting, if the records tell it
    recorded = sweep.models if sweep.varies in published else ()
    rows = rows[(rows["source"] == OURS) | rows["method"].isin(recorded)]
    places = {name: values.index(setting(name)) for name in study.with_ensembles(sweep.all_models)}
    rows = rows.assign(place=rows["method"].map(places)).sort_values("place")
    rows, titles = panels.by_condition(rows, study)
    grid = panels.score_grid(rows, titles)
    for (i, j, _), data in grid.facet_data():
        draw_panel(grid.axes[i, j], data)

    # A published model may have another value than ours of the same name
    known = rows[rows["source"] != OURS].set_index("method").get(sweep.varies, {})
    known = {setting(name): value for name, value in known.items() if value != setting(name)}
    labels = [f"{v:g}\n({known[v]:g})" if v in known else f"{v:g}" for v in values]
    words = sweep.varies.replace("_", " ") + UNITS.get(sweep.varies, "")
    words += "; published in brackets" if known else ""
    grid.axes[-1, len(titles) // 2].set_xlabel(words)  # once, as columns are narrow
    grid.set(xticks=range(len(values)), xticklabels=labels, xlim=(-0.5, len(values) - 0.5))

    legend = panels.filter_entries(rows, study, marker="", linestyle=":")
    legend += [style.entry(arm, **ARMS[arm]) for arm in arms]
    if study.ensembles.keys() & set(rows["method"]):
        legend.append(style.entry("ensembles", **ENSEMBLE))
    legend += panels.published_entries(rows, "s")
    style.finish(grid.figure, snakemake, style.interval_note(rows["n"], study), legend)
