"""Figure 3: every compared model on every test set, by condition, beside the best filter."""

from denoising.evaluation.comparisons import compared_means, scored_models
from denoising.evaluation.scores import OURS, read_scores, read_tidy
from denoising.report import score_panels as panels
from denoising.report import style
from denoising.running.logs import open_log
from denoising.study.baselines import BASELINES
from denoising.study.names import INPUT

SPREAD = 0.7  # of the place of one condition: over it stand its methods


def draw_panel(ax, rows):
    """The best filter, then the models: ours filled, the published ones open beside them."""
    dataset = study.datasets[rows["tested_on"].iloc[0]]
    places = {name: i for i, name in enumerate(dataset.condition_names)}
    panels.draw_input(ax, rows, places)
    shown = [name for name in methods if name in set(rows["method"])]
    width = SPREAD / len(shown)
    for i, method in enumerate(shown):
        chosen = rows[rows["method"] == method]
        x = chosen["condition"].map(places) + (i + 0.5) * width - SPREAD / 2
        is_ours = chosen["source"] == OURS
        panels.draw_means(ax, x[is_ours], chosen[is_ours], **looks[method])
        panels.draw_published(ax, x + 0.3 * width, chosen, **looks[method])
    ax.set_xticks(list(places.values()), [dataset.condition_label(name) for name in places])
    ax.set_xlim(-0.5, len(places) - 0.5)


with open_log(snakemake.log[0]):
    style.use_theme()
    study = snakemake.params.study
    looks = style.looks(study)
    scores = read_scores(snakemake.input.scores)
    means = compared_means(scores, read_tidy(snakemake.input.published), study)
    models = study.with_ensembles(scored_models(scores, study))
    methods = [*BASELINES, *models]
    rows = panels.with_panels(means[means["method"].isin([INPUT, *methods])], study)
    titles = {name: f"tested on {study.datasets[name].label}" for name in study.tested_datasets}
    rows = rows.assign(title=rows["tested_on"].map(titles))
    grid = panels.score_grid(rows, list(titles.values()))
    for (i, j, _), data in grid.facet_data():
        draw_panel(grid.axes[i, j], data)
    grid.set_xlabels("condition, the cleanest on the left")
    legend = panels.filter_entries(rows, study) + style.method_entries(models, study)
    legend += panels.published_entries(rows)
    style.finish(grid.figure, snakemake, style.interval_note(rows["n"], study), legend)
