"""Loss of every training against the patches that it has seen, a row per question."""

import numpy as np
import seaborn as sns
from matplotlib.ticker import EngFormatter

from denoising.evaluation.comparisons import training_questions
from denoising.evaluation.losses import read_losses
from denoising.report import style

CURVES = {"loss": "training loss", "val_loss": "validation loss"}
UNITS = {"laplace": "nats per voxel", "mae": "fraction of range", "mse": "squared fraction"}
ABOVE = 0.9  # quantile of the losses after which a panel ends


def draw_row(axes, settings):
    """Both losses of models: a line per training, a ring where its weights are kept."""
    models = list(settings)
    rows = losses[losses["model"].isin(models)]
    kept = rows[rows["is_kept"]]
    dashes = {name: (3, 1) if name in study.matched_models else "" for name in models}
    look = {"hue": "model", "hue_order": models, "palette": colours, "style": "model"}
    look |= {"dashes": dashes, "units": "run", "estimator": None, "legend": "full"}
    for ax, (curve, label) in zip(axes, CURVES.items(), strict=True):
        sns.lineplot(rows, x="samples_seen", y=curve, ax=ax, **look)
        ring = {"s": 16, "color": "white", "edgecolors": kept["model"].map(colours), "zorder": 3}
        ax.scatter(kept["samples_seen"], kept[curve], **ring)
        ax.set_ylabel(f"{label}{unit}", visible=True)
        handles, _ = ax.get_legend_handles_labels()
        ax.get_legend().remove()
    ax.legend(handles, settings.values(), loc="center left", bbox_to_anchor=(1, 0.5))
    low, high = np.quantile(rows[list(CURVES)], (0, ABOVE))
    ax.set_ylim(low - 0.08 * (high - low), high)


with style.drawing(snakemake) as study:
    colours = style.palette(study)
    losses = read_losses(snakemake.input.histories, study)
    names = {model.training.loss for model in study.models.values()}
    unit = f"\n({UNITS[names.pop()]})" if len(names) == 1 else ""
    questions = training_questions(study)
    figure, axes = style.panels_of(len(questions), len(CURVES), 36.0, sharex=True, sharey="row")
    for places, (title, settings) in zip(axes, questions.items(), strict=True):
        draw_row(places, settings)
        places[0].set_title(title, loc="left", weight="bold")
    for ax in axes[-1]:
        ax.set(xlabel="patches seen, repeats counted", xscale="log")
        ax.xaxis.set_major_formatter(EngFormatter(sep=""))
        ax.minorticks_off()
    note = "Rings: the epoch whose weights are kept. The first epochs may lie above a panel."
    style.finish(figure, snakemake, note)
