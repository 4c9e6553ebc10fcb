"""Figure 3: every compared model on every test set, by condition, beside the best filter."""

from denoising.evaluation.comparisons import compared_means, scored_models
from denoising.evaluation.scores import read_scores, read_tidy
from denoising.report import score_panels as panels
from denoising.report import style
from denoising.study.baselines import BASELINES
from denoising.study.names import INPUT

with style.drawing(snakemake) as study:
    scores = read_scores(snakemake.input.scores)
    means = compared_means(scores, read_tidy(snakemake.input.published), study)
    models = study.with_ensembles(scored_models(scores, study))
    methods = [*BASELINES, *models]
    rows = panels.with_panels(means[means["method"].isin([INPUT, *methods])], study)
    titles = {name: f"tested on {study.datasets[name].label}" for name in study.tested_datasets}
    rows = rows.assign(title=panels.labelled(rows["tested_on"], titles))
    grid = panels.score_grid(rows, 36.0, sharex="col", sharey="row").set(ymargin=0.15)
    for (i, j, _), data in grid.facet_data():
        panels.draw_by_condition(grid.axes[i, j], data, methods, study)
    grid.set_xlabels("condition, the cleanest on the left")
    legend = panels.filter_entries(rows, study) + style.entries(models, study)
    legend += panels.published_entries(rows)
    style.finish(grid.figure, snakemake, style.interval_note(rows, study), legend)
