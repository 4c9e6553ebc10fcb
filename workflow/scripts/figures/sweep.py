"""Figures 4 and 5: scores against the one setting that a sweep varies, in both of its arms."""

import seaborn as sns

from denoising.evaluation.comparisons import best_baseline
from denoising.evaluation.scores import read_scores, read_tidy
from denoising.report import score_panels as panels
from denoising.report import style
from denoising.running.logs import open_log
from denoising.study.baselines import BASELINES

UNITS = {"batch_size": " (patches)", "steps_per_epoch": " (batches)", "width": " (features)"}
NUDGE = 0.07  # of a place, to either side, so that the arms do not hide one another
ARMS = {"all else the same": ("o", "-", -1), "the same number of patches": ("D", "--", 1)}


def setting(name):
    """The value of a model that the sweep varies."""
    return getattr(study.training_of(name), sweep.varies)


def draw_panel(ax, ours, published):
    """The arms against the varied setting, the best filter as a line, the published values open."""
    panels.draw_input(ax, ours, {ours["condition"].iloc[0]: (len(values) - 1) / 2})
    best = filters[ours["tested_on"].iloc[0]]
    if best:
        level = ours.loc[ours["method"] == best, "mean"].iloc[0]
        ax.axhline(level, color=BASELINES[best].colour, linestyle=":")
    for colour, (arm, models) in zip(style.COLOURS, arms.items(), strict=False):
        marker, line, side = ARMS[arm]
        rows = ours[ours["method"].isin(models)]
        rows = rows.assign(x=rows["method"].map(setting).map(values.index) + side * NUDGE)
        sns.lineplot(rows.sort_values("x"), x="x", y="mean", ax=ax, color=colour, linestyle=line)
        panels.draw_means(ax, rows["x"], rows, color=colour, marker=marker)
        rows = ours[ours["method"].isin(study.ensembles)]
        rows = rows[rows["method"].map(study.ensembles).isin(models)]
        x = rows["method"].map(setting).map(values.index) + 3 * side * NUDGE
        panels.draw_means(ax, x, rows, color=colour, marker=style.ENSEMBLE_MARKER)
    x = published["method"].map(setting).map(values.index)
    panels.draw_published(ax, x, published, color="0.3", marker="s")


with open_log(snakemake.log[0]):
    style.use_theme()
    study = snakemake.params.study
    sweep = study.sweeps[snakemake.wildcards.figure]
    values = sorted({setting(name) for name in sweep.models})
    arms = dict(zip(ARMS, filter(None, (sweep.models, sweep.matched)), strict=False))
    scores = read_scores(snakemake.input.scores)
    rows = panels.panel_rows(scores, study)
    datasets = [name for name in study.datasets if name in set(rows["tested_on"])]
    published = panels.published_rows(read_tidy(snakemake.input.published), study, datasets)
    published = published[published["method"].isin(sweep.models)]
    filters = {name: best_baseline(scores, name) for name in datasets}

    columns = panels.condition_titles(study, datasets)
    keys = zip(rows["tested_on"], rows["condition"], strict=True)
    rows["title"] = [columns[key] for key in keys]
    grid = panels.score_grid(rows, list(columns.values()))
    for (i, j, _), ours in grid.facet_data():
        dataset, condition = list(columns)[j]
        known = published[published["panel"] == grid.row_names[i]]
        known = known[(known["tested_on"] == dataset) & (known["condition"] == condition)]
        draw_panel(grid.axes[i, j], ours, known)

    # A published model may have another value than ours of the same name
    known = published.set_index("method").get(sweep.varies, {})
    known = {setting(name): value for name, value in known.items() if value != setting(name)}
    labels = [f"{v:g}\n({known[v]:g})" if v in known else f"{v:g}" for v in values]
    words = sweep.varies.replace("_", " ")
    brackets = "; published in brackets" if known else ""
    panels.finish_grid(grid, f"{words}{UNITS.get(sweep.varies, '')}{brackets}")
    for ax in grid.axes[-1]:
        ax.set_xticks(range(len(values)), labels)
        ax.set_xlim(-0.5, len(values) - 0.5)

    legend = panels.filter_entries(filters.values(), ":")
    for colour, arm in zip(style.COLOURS, arms, strict=False):
        look = {"marker": ARMS[arm][0], "linestyle": ARMS[arm][1]}
        legend.append(style.entry(arm, color=colour, **look))
    if set(rows["method"]) & set(study.ensembles):
        legend.append(style.entry("ensembles", marker=style.ENSEMBLE_MARKER))
    legend += panels.published_entries(published, "s")
    note = style.interval_note(rows["n"], study)
    style.finish(grid.figure, snakemake, note, legend)
