"""Panels of scores: a row per metric, a column per test set or condition, on seaborn's FacetGrid.

NRMSE stands once: that of restorations is the same under both protocols. SSIM has a row per
protocol. The input, which lies far from all restorations, is a number at the edge of its panel.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from denoising.evaluation.scores import OURS
from denoising.report.style import GREY, entry, grid_of, looks
from denoising.study.baselines import BASELINES
from denoising.study.metrics import METRICS, PROTOCOLS, SHOWN
from denoising.study.names import INPUT
from denoising.study.study import Study

PUBLISHED = {"2019 study": "none", "CARE paper": "bottom"}  # how the marks of a source are filled


def with_panels(means: pd.DataFrame, study: Study) -> pd.DataFrame:
    """`compared_means` that figures show, with the label of the `panel` of each."""
    panel = means["metric"].map({name: METRICS[name].axis for name in SHOWN})
    is_nrmse = means["metric"] == "nrmse"
    if len(study.protocols) > 1:
        how = means["protocol"].map({name: f"\n({PROTOCOLS[name].label})" for name in PROTOCOLS})
        panel += how.where(~is_nrmse, "")
    is_repeated = is_nrmse & (means["source"] == OURS) & (means["protocol"] != study.protocols[0])
    return means.assign(panel=panel)[panel.notna() & ~is_repeated]


def by_condition(
    rows: pd.DataFrame, study: Study, ends_only: bool = False
) -> tuple[pd.DataFrame, list[str]]:
    """Rows with the `title` of their test set and condition, and all titles in order.

    With `ends_only`, those of the cleanest and the noisiest condition of each test set.
    """
    titles = {}
    tested = set(rows["tested_on"])
    for dataset in (each for each in study.datasets.values() if each.name in tested):
        names = dataset.condition_names
        for name in (names[0], names[-1]) if ends_only else names:
            titles[dataset.name, name] = f"{dataset.label},\n{dataset.condition_label(name)}"
    keys = zip(rows["tested_on"], rows["condition"], strict=True)
    rows = rows.assign(title=list(map(titles.get, keys)))
    return rows.dropna(subset="title"), list(titles.values())


def score_grid(rows: pd.DataFrame, titles: Sequence[str]) -> sns.FacetGrid:
    """Empty panels: a row per metric and protocol, a column per value of `title`."""
    order = ["metric", "protocol"]  # NRMSE, then SSIM by the paper's protocol first
    panels = list(rows.sort_values(order)["panel"].unique())
    facets = {"row": "panel", "row_order": panels, "col": "title", "col_order": titles}
    grid = grid_of(rows, 36.0, sharex="col", sharey="row", **facets)
    grid.set(ymargin=0.15)  # room for the score of the input
    for ax, title in zip(grid.axes[0], titles, strict=True):
        ax.set_title(title)
    for ax, panel in zip(grid.axes[:, 0], panels, strict=True):
        ax.set_ylabel(panel)
    return grid


def draw_means(ax: Axes, x: Any, rows: pd.DataFrame, **look: Any) -> None:
    """Means with their intervals; without a bar where there is no interval."""
    ax.errorbar(x, rows["mean"], reach_of(rows), **{"linestyle": "", **look})


def reach_of(rows: pd.DataFrame) -> np.ndarray:
    """How far the intervals reach below and above their means; 0 where there is none."""
    return np.nan_to_num([rows["mean"] - rows["low"], rows["high"] - rows["mean"]])


def draw_published(ax: Axes, x: Iterable[float], rows: pd.DataFrame, **look: Any) -> None:
    """Published means, as open marks by their source."""
    for source, fill in PUBLISHED.items():
        chosen = rows.assign(x=x)[rows["source"].str.startswith(source)]
        ax.plot(chosen["x"], chosen["mean"], linestyle="", fillstyle=fill, zorder=4, **look)


def draw_input(ax: Axes, rows: pd.DataFrame, places: Mapping[str, float]) -> None:
    """The mean score of the input at every condition, as a number at the worse edge."""
    y, side = (1.0, "top") if METRICS[rows["metric"].iloc[0]].best == "low" else (0.0, "bottom")
    look: dict[str, Any] = {"ha": "center", "va": side, "size": 5.5, "color": GREY}
    for _, row in rows[rows["method"] == INPUT].iterrows():
        at = (places[row["condition"]], y)
        ax.annotate(f"input {row['mean']:.2f}", at, xycoords=("data", "axes fraction"), **look)


def published_entries(rows: pd.DataFrame, marker: str = "o") -> list[Line2D]:
    """Legend entries of the sources of published means."""
    return [
        entry(f"published: {source}", marker=marker, fillstyle=fill)
        for source, fill in PUBLISHED.items()
        if rows["source"].str.startswith(source).any()
    ]


def filter_entries(rows: pd.DataFrame, study: Study, **look: Any) -> list[Line2D]:
    """Legend entries of the best filters among these rows."""
    names = [name for name in BASELINES if name in set(rows["method"])]
    labels = {name: f"best filter: {BASELINES[name].label}" for name in names}
    return [entry(label, **looks(study)[name] | look) for name, label in labels.items()]
