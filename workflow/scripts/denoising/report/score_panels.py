"""Panels of scores: a row per metric, a column per test set or condition, on seaborn's FacetGrid.

NRMSE stands once: that of restorations is the same under both protocols. SSIM has a row per
protocol. The input, which lies far from all restorations, is a number at the edge of its panel.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from denoising.evaluation.published import published_scores
from denoising.evaluation.scores import method_of, summarise
from denoising.report.style import GREY, GRID, entry, grid_of
from denoising.study.baselines import BASELINES
from denoising.study.metrics import METRICS, PROTOCOLS
from denoising.study.names import INPUT
from denoising.study.study import Study

BARS: dict[str, Any] = {"linestyle": "", "elinewidth": 0.8, "capsize": 1.5, "markersize": 3.5}
OPEN: dict[str, Any] = {"markeredgewidth": 0.8, "linestyle": "", "zorder": 4}
PUBLISHED: dict[str, dict[str, Any]] = {
    "2019 study": OPEN | {"fillstyle": "none"},
    "CARE paper": OPEN | {"fillstyle": "bottom"},
}


def panel_rows(scores: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Means as `summarise` gives them, with `method` and the `panel` that shows each."""
    rows = summarise(scores)
    rows = rows.assign(method=method_of(rows), panel=_panels(rows, study))
    is_repeated = (rows["metric"] == "nrmse") & (rows["protocol"] != study.protocols[0])
    return rows[rows["panel"].notna() & ~is_repeated]


def published_rows(published: pd.DataFrame, study: Study, datasets: Sequence[str]) -> pd.DataFrame:
    """Published means of networks on these test sets, with `method` and `panel`."""
    rows = pd.concat([published_scores(published, study, dataset) for dataset in datasets])
    rows = rows[(rows["output"] == "network") & rows["protocol"].isin(study.protocols)]
    return rows.assign(panel=_panels(rows, study))


def _panels(rows: pd.DataFrame, study: Study) -> pd.Series:
    """The label of the panel that shows each row; None for metrics that have none."""
    labels = {("nrmse", protocol): METRICS["nrmse"].axis for protocol in study.protocols}
    for protocol in study.protocols:
        how = f"\n({PROTOCOLS[protocol].label})" if len(study.protocols) > 1 else ""
        labels["ssim", protocol] = METRICS["ssim"].axis + how
    keys = zip(rows["metric"], rows["protocol"], strict=True)
    return pd.Series([labels.get(key) for key in keys], index=rows.index, dtype=object)


def condition_titles(
    study: Study, datasets: Iterable[str], ends_only: bool = False
) -> dict[tuple[str, str], str]:
    """(dataset, condition) to the title of its column; with `ends_only`, of the cleanest and the
    noisiest condition of each.
    """
    titles = {}
    for dataset in (study.datasets[name] for name in datasets):
        names = dataset.condition_names
        for name in (names[0], names[-1]) if ends_only else names:
            titles[dataset.name, name] = f"{dataset.label},\n{dataset.condition_label(name)}"
    return titles


def score_grid(rows: pd.DataFrame, titles: Sequence[str]) -> sns.FacetGrid:
    """Empty panels: a row per metric and protocol, a column per value of `title`."""
    order = ["metric", "protocol"]  # NRMSE, then SSIM by the paper's protocol first
    panels = list(rows.sort_values(order)["panel"].unique())
    facets = {"row": "panel", "row_order": panels, "col": "title", "col_order": titles}
    grid = grid_of(rows, 34.0, sharex="col", sharey="row", **facets)
    for ax, title in zip(grid.axes[0], titles, strict=True):
        ax.set_title(title)
    return grid


def finish_grid(grid: sns.FacetGrid, label: str) -> None:
    """Label the axes, draw light grid lines, and make room for the score of the input."""
    for panel, axes in zip(grid.row_names, grid.axes, strict=True):
        low, high = axes[0].get_ylim()
        room = 0.12 * (high - low)
        is_worse_above = panel == METRICS["nrmse"].axis
        axes[0].set_ylim((low, high + room) if is_worse_above else (low - room, high))
        axes[0].set_ylabel(panel)
        for ax in axes:
            ax.grid(axis="y", color=GRID)
            ax.set_xlabel("")
    # Narrow columns share one label
    columns = grid.axes[-1]
    for ax in columns if len(columns) < 4 else columns[[len(columns) // 2]]:
        ax.set_xlabel(label)


def draw_means(ax: Axes, x: Any, rows: pd.DataFrame, **look: Any) -> None:
    """Means with their intervals; without a bar where there is no interval."""
    reach = np.array([rows["mean"] - rows["low"], rows["high"] - rows["mean"]])
    ax.errorbar(x, rows["mean"], np.nan_to_num(reach), **{**BARS, **look})


def draw_published(ax: Axes, x: Iterable[float], rows: pd.DataFrame, **look: Any) -> None:
    """Published means, as open marks by their source."""
    rows = rows.assign(x=x)
    for source, mark in PUBLISHED.items():
        chosen = rows[rows["source"].str.startswith(source)]
        ax.plot(chosen["x"], chosen["mean"], **look, **mark)


def draw_input(ax: Axes, rows: pd.DataFrame, places: dict[str, float]) -> None:
    """The mean score of the input at every condition, as a number at the worse edge."""
    shown = rows[rows["method"] == INPUT]
    is_worse_above = METRICS[rows["metric"].iloc[0]].best == "low"
    along = "top" if is_worse_above else "bottom"
    look: dict[str, Any] = {"ha": "center", "va": along, "size": 5.5, "color": GREY}
    for condition, mean in zip(shown["condition"], shown["mean"], strict=True):
        at = (places[condition], float(is_worse_above))
        ax.annotate(f"input {mean:.2f}", at, xycoords=("data", "axes fraction"), **look)


def published_entries(rows: pd.DataFrame, marker: str = "o") -> list[Line2D]:
    """Legend entries of the sources of published means."""
    return [
        entry(f"published: {source}", marker=marker, **mark)
        for source, mark in PUBLISHED.items()
        if rows["source"].str.startswith(source).any()
    ]


def filter_entries(names: Iterable[str | None], line: str = "") -> list[Line2D]:
    """Legend entries of the best filters: markers, or lines of this style."""
    baselines = [BASELINES[name] for name in dict.fromkeys(names) if name]
    looks = [{"color": b.colour, "marker": "" if line else b.marker} for b in baselines]
    return [
        entry(f"best filter: {baseline.label}", linestyle=line, **look)
        for baseline, look in zip(baselines, looks, strict=True)
    ]
