"""Figure 3: every compared model on every test set, by condition, beside the best filter."""

import numpy as np

from denoising.evaluation.comparisons import best_baseline, scored_models
from denoising.evaluation.scores import read_scores, read_tidy
from denoising.report import score_panels as panels
from denoising.report import style
from denoising.running.logs import open_log
from denoising.study.baselines import BASELINES

SPREAD = 0.7  # of the place of one condition: over it stand its methods


def draw_panel(ax, ours, published):
    """The best filter, then the models: ours filled, the published ones open beside them."""
    dataset = study.datasets[ours["tested_on"].iloc[0]]
    places = {name: i for i, name in enumerate(dataset.condition_names)}
    methods = [name for name in (filters[dataset.name], *models) if name]
    offsets = np.linspace(-SPREAD / 2, SPREAD / 2, len(methods)) if len(methods) > 1 else [0.0]
    panels.draw_input(ax, ours, places)
    for method, offset in zip(methods, offsets, strict=True):
        look = {"color": colours[method], "marker": shapes[method]}
        rows = ours[ours["method"] == method]
        panels.draw_means(ax, rows["condition"].map(places) + offset, rows, **look)
        rows = published[published["method"] == method]
        beside = rows["condition"].map(places) + offset + 0.3 * SPREAD / len(methods)
        panels.draw_published(ax, beside, rows, **look)
    for edge in range(1, len(places)):
        ax.axvline(edge - 0.5, color="0.85", linewidth=0.5)
    ax.set_xticks(list(places.values()), [dataset.condition_label(name) for name in places])
    ax.set_xlim(-0.5, len(places) - 0.5)


with open_log(snakemake.log[0]):
    style.use_theme()
    study = snakemake.params.study
    scores = read_scores(snakemake.input.scores)
    rows = panels.panel_rows(scores, study)
    datasets = [name for name in study.datasets if name in set(rows["tested_on"])]
    published = panels.published_rows(read_tidy(snakemake.input.published), study, datasets)
    models = study.with_ensembles(scored_models(scores, study))
    filters = {name: best_baseline(scores, name) for name in datasets}
    colours = style.palette(study) | {name: BASELINES[name].colour for name in BASELINES}
    shapes = style.markers(study) | {name: BASELINES[name].marker for name in BASELINES}

    titles = {name: f"tested on {study.datasets[name].label}" for name in datasets}
    rows = rows.assign(title=rows["tested_on"].map(titles))
    grid = panels.score_grid(rows, list(titles.values()))
    for (i, j, _), ours in grid.facet_data():
        known = published[published["panel"] == grid.row_names[i]]
        draw_panel(grid.axes[i, j], ours, known[known["tested_on"] == datasets[j]])
    panels.finish_grid(grid, "condition, the cleanest on the left")

    legend = panels.filter_entries(filters.values())
    for name in models:
        label = style.model_label(name, study)
        legend.append(style.entry(label, color=colours[name], marker=shapes[name]))
    legend += panels.published_entries(published[published["method"].isin(models)])
    note = style.interval_note(rows["n"], study)
    style.finish(grid.figure, snakemake, note, legend)
