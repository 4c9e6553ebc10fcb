"""Loss of every training against the patches that it has seen, a row per question."""

import numpy as np
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.ticker import EngFormatter

from denoising.evaluation.losses import read_losses
from denoising.report import style
from denoising.running.logs import open_log

CURVES = {"loss": "training loss", "val_loss": "validation loss"}
UNITS = {"laplace": "nats per voxel", "mae": "fraction of range", "mse": "squared fraction"}
ABOVE = 0.9  # quantile of the losses after which a panel ends


def questions():
    """Title, models and the setting that tells them apart: of each organism, then each sweep."""
    swept = {name for sweep in study.sweeps.values() for name in sweep.all_models}
    others = [name for name in study.models if name in study.compared_models or name not in swept]
    for dataset in dict.fromkeys(study.models[name].trained_on for name in others):
        models = [name for name in others if study.models[name].trained_on == dataset]
        yield f"trained on {study.datasets[dataset].label}", models, "epochs"
    for sweep in study.sweeps.values():
        words = sweep.varies.replace("_", " ")
        yield f"sweep of {words} ({sweep.figure})", sweep.all_models, sweep.varies


def label_of(name, setting):
    """A model by its value of a setting, such as "batch size 4"."""
    matched = ", same patches" if name in study.matched_models else ""
    return f"{setting.replace('_', ' ')} {getattr(study.training_of(name), setting):g}{matched}"


def draw_row(axes, models, setting):
    """Both losses of these models: a line per training, a ring where its weights are kept."""
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
        handles, names = ax.get_legend_handles_labels()
        ax.get_legend().remove()
    labels = [label_of(name, setting) for name in names]
    ax.legend(handles, labels, loc="center left", bbox_to_anchor=(1, 0.5))
    low, high = np.quantile(rows[list(CURVES)], (0, ABOVE))
    ax.set_ylim(low - 0.08 * (high - low), high)


with open_log(snakemake.log[0]):
    style.use_theme()
    study = snakemake.params.study
    colours = style.palette(study)
    losses = read_losses(snakemake.input.histories, study)
    names = {model.training.loss for model in study.models.values()}
    unit = f"\n({UNITS[names.pop()]})" if len(names) == 1 else ""
    rows = list(questions())
    size = (style.WIDTH * style.MM, 36 * len(rows) * style.MM)
    shared = {"sharex": True, "sharey": "row", "squeeze": False}
    figure, axes = plt.subplots(len(rows), len(CURVES), figsize=size, **shared)
    for places, (title, models, setting) in zip(axes, rows, strict=True):
        draw_row(places, models, setting)
        places[0].set_title(title, loc="left", weight="bold")
    for ax in axes[-1]:
        ax.set(xlabel="patches seen, repeats counted", xscale="log")
        ax.xaxis.set_major_formatter(EngFormatter(sep=""))
        ax.minorticks_off()
    note = "Rings: the epoch with the lowest validation loss, whose weights are kept. "
    note += "Training loss is averaged over an epoch; the first epochs may lie above a panel."
    style.finish(figure, snakemake, note)
