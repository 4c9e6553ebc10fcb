"""Panels of scores: a row per metric, a column per test set or condition, on seaborn's FacetGrid.

NRMSE stands once: that of restorations is the same under both protocols. SSIM has a row per
protocol. The input, which lies far from all restorations, is a number at the edge of its panel.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from denoising.evaluation.scores import OURS
from denoising.report.style import GREY, entries, entry, grid_of, looks
from denoising.study.baselines import BASELINES
from denoising.study.metrics import METRICS, PROTOCOLS, SHOWN
from denoising.study.names import INPUT
from denoising.study.study import Study

SPREAD = 0.7  # of the place of one condition: over it stand its methods
PUBLISHED = {"2019 study": "none", "CARE paper": "bottom"}  # how the marks of a source are filled


def labelled(keys: Iterable[Any], labels: Mapping[Any, str]) -> pd.Categorical:
    """The label of each key, or none; panels of a grid by it have the order of `labels`."""
    order = list(dict.fromkeys(labels.values()))
    return pd.Categorical([labels.get(key) for key in keys], order).remove_unused_categories()


def with_panels(means: pd.DataFrame, study: Study) -> pd.DataFrame:
    """`compared_means` that figures show, with the label of the `panel` of each."""
    labels = {(metric, name): METRICS[metric].axis for metric in SHOWN for name in study.protocols}
    if len(study.protocols) > 1:
        for name in study.protocols:
            labels["ssim", name] += f"\n({PROTOCOLS[name].label})"
    panel = labelled(zip(means["metric"], means["protocol"], strict=True), labels)
    is_repeated = (means["metric"] == "nrmse") & (means["protocol"] != study.protocols[0])
    is_repeated &= means["source"] == OURS
    return means.assign(panel=panel)[~is_repeated].dropna(subset="panel")


def by_condition(rows: pd.DataFrame, study: Study, ends_only: bool = False) -> pd.DataFrame:
    """Rows with the `title` of their test set and condition.

    With `ends_only`, those of the cleanest and the noisiest condition of each test set.
    """
    titles = {}
    for dataset in (study.datasets[name] for name in study.tested_datasets):
        names = dataset.condition_names
        for name in (names[0], names[-1]) if ends_only else names:
            titles[dataset.name, name] = f"{dataset.label},\n{dataset.condition_label(name)}"
    keys = zip(rows["tested_on"], rows["condition"], strict=True)
    return rows.assign(title=labelled(keys, titles)).dropna(subset="title")


def score_grid(rows: pd.DataFrame, height: float, **facets: Any) -> sns.FacetGrid:
    """Empty panels: a row per `panel`, a column per `title`, both named by these labels."""
    grid = grid_of(rows, height, row="panel", col="title", **facets)
    for ax, title in zip(grid.axes[0], grid.col_names, strict=True):
        ax.set_title(title)
    for ax, label in zip(grid.axes[:, 0], grid.row_names, strict=True):
        ax.set_ylabel(label)
    return grid


def draw_means(ax: Axes, x: Any, rows: pd.DataFrame, **look: Any) -> None:
    """Means with their intervals; without a bar where there is no interval."""
    ax.errorbar(x, rows["mean"], reach_of(rows), **{"linestyle": "", **look})


def reach_of(rows: pd.DataFrame) -> np.ndarray:
    """How far the intervals reach below and above their means; 0 where there is none."""
    return np.nan_to_num([rows["mean"] - rows["low"], rows["high"] - rows["mean"]])


def draw_published(ax: Axes, x: pd.Series, y: pd.Series, source: pd.Series, **look: Any) -> None:
    """Published means, as open marks by their source."""
    for name, fill in PUBLISHED.items():
        chosen = source.str.startswith(name)
        ax.plot(x[chosen], y[chosen], **look | {"linestyle": "", "fillstyle": fill, "zorder": 4})


def draw_by_condition(ax: Axes, rows: pd.DataFrame, methods: Iterable[str], study: Study) -> None:
    """Methods side by side at every condition; the input, if it is none of them, as a number."""
    dataset = study.datasets[rows["tested_on"].iloc[0]]
    places = {name: i for i, name in enumerate(dataset.condition_names)}
    shown = [name for name in methods if name in set(rows["method"])]
    if INPUT not in shown:
        draw_input(ax, rows, places)
    width = SPREAD / len(shown)
    for i, method in enumerate(shown):
        chosen = rows[rows["method"] == method]
        look = looks(study)[method]
        x = chosen["condition"].map(places) + (i + 0.5) * width - SPREAD / 2
        is_ours = chosen["source"] == OURS
        draw_means(ax, x[is_ours], chosen[is_ours], **look)
        draw_published(ax, x + 0.3 * width, chosen["mean"], chosen["source"], **look)
    ax.set_xticks(list(places.values()), [dataset.condition_label(name) for name in places])
    ax.set_xlim(-0.5, len(places) - 0.5)


def draw_input(ax: Axes, rows: pd.DataFrame, places: Mapping[str, float]) -> None:
    """The mean score of the input at every condition, as a number at the worse edge."""
    y, side = (1.0, "top") if METRICS[rows["metric"].iloc[0]].best == "low" else (0.0, "bottom")
    look: dict[str, Any] = {"ha": "center", "va": side, "size": 5.5, "color": GREY}
    for _, row in rows[rows["method"] == INPUT].iterrows():
        at = (places[row["condition"]], y)
        ax.annotate(f"input {row['mean']:.2f}", at, xycoords=("data", "axes fraction"), **look)


def published_entries(rows: pd.DataFrame, marker: str = "o") -> list[Line2D]:
    """Legend entries of the sources of published means."""
    names = [name for name in PUBLISHED if rows["source"].str.startswith(name).any()]
    return [entry(f"published: {n}", marker=marker, fillstyle=PUBLISHED[n]) for n in names]


def filter_entries(rows: pd.DataFrame, study: Study, **look: Any) -> list[Line2D]:
    """Legend entries of the best filters among these rows."""
    names = [name for name in BASELINES if name in set(rows["method"])]
    return entries(names, study, "best filter: ", **look)
