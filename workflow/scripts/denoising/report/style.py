"""How figures look: seaborn's theme at the width of a journal's page, one palette, whole files.

A model has one colour in all figures of a study; the model of a second arm that matches it, and its
ensemble, have the same. A shape stands for the dataset that a model was trained on.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from denoising.running import logs
from denoising.running.outputs import whole, write_whole
from denoising.study.baselines import BASELINES
from denoising.study.names import ELSEWHERE, INPUT
from denoising.study.networks import trained_on_label
from denoising.study.study import Study

MM = 1 / 25.4
WIDTH = 180.0  # mm
HEAD = 6.0  # mm above the legend
LINE = 3.6  # mm per line below the title
FOOT = 4.5  # mm below the panels
SMALL = 6.0  # points
GREY = "#7F7F7F"
GRID = "0.92"
# seaborn's "colorblind" without its yellow and light pink, which are faint on paper; then Tol's
COLOURS = [*sns.color_palette("colorblind"), "#332288", "#661100", "#999933"]
COLOURS = [colour for i, colour in enumerate(COLOURS) if i not in (6, 8)]
MARKERS = ("o", "s", "^", "P")
ELSEWHERE_MARKER = "*"
ENSEMBLE_MARKER = "X"
PRINT = {name: 0.58 * size for name, size in sns.plotting_context("notebook").items()}
AXES = {"axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False}
LINES = {"axes.grid": True, "axes.grid.axis": "y", "grid.color": GRID, "errorbar.capsize": 1.5}
FILES = {"font.family": "DejaVu Sans", "savefig.dpi": 300, "pdf.fonttype": 42}


@contextmanager
def drawing(job: Any) -> Iterator[Study]:
    """Open a figure's log and set the theme of all figures, whatever the user's settings are."""
    with logs.open_log(job.log[0], job.input):
        mpl.use("agg")
        mpl.rcdefaults()
        sns.set_theme(PRINT, "ticks", COLOURS, rc=AXES | LINES | FILES)
        yield job.params.study


def palette(study: Study) -> dict[str, Any]:
    """The colour of every model, ensemble and baseline, and of the input, by name."""
    colours = {name: baseline.colour for name, baseline in BASELINES.items()} | {INPUT: GREY}
    models = [name for name in study.models if name not in study.matched_models]
    # Compared models come first, so that the clearest colours are theirs
    models.sort(key=lambda name: name not in study.compared_models)
    colours |= dict(zip(models, itertools.cycle(COLOURS), strict=False))
    colours |= {name: colours[model] for name, model in study.matched_models.items()}
    return colours | {name: colours[model] for name, model in study.ensembles.items()}


def looks(study: Study) -> dict[str, dict[str, Any]]:
    """Colour and marker of every model, ensemble and baseline, and of the input, by name."""
    markers = {name: baseline.marker for name, baseline in BASELINES.items()} | {INPUT: "D"}
    of_dataset = dict(zip(study.datasets, itertools.cycle(MARKERS), strict=False))
    markers |= {
        name: of_dataset.get(model.trained_on, ELSEWHERE_MARKER)
        for name, model in study.models.items()
    }
    markers |= dict.fromkeys(study.ensembles, ENSEMBLE_MARKER)
    return {name: {"color": c, "marker": markers[name]} for name, c in palette(study).items()}


def model_label(name: str, study: Study) -> str:
    """A method for a legend; a network by what it was trained on, and for how long."""
    if name not in study.models and name not in study.ensembles:
        return BASELINES[name].label if name in BASELINES else name
    if name in study.models and study.models[name].pretrained:
        return f"{name}, trained {ELSEWHERE}"
    kind = "ensemble trained" if name in study.ensembles else "trained"
    return f"{kind} {trained_on_label(name, study)}, {study.training_of(name).epochs} epochs"


def entry(label: str, **look: Any) -> Line2D:
    """An entry of a legend; a marker without a line, unless `look` has one."""
    return Line2D([], [], label=label, **{"linestyle": "", "color": "0.3", **look})


def entries(names: Iterable[str], study: Study, prefix: str = "", **look: Any) -> list[Line2D]:
    """Legend entries of methods: their colours and markers, unless `look` has others."""
    return [entry(prefix + model_label(n, study), **looks(study)[n] | look) for n in names]


def panels_of(rows: int, columns: int, height: float, **options: Any) -> tuple[Figure, np.ndarray]:
    """Empty panels (rows, columns), `height` mm each and together as wide as the page."""
    size = (WIDTH * MM, rows * height * MM)
    return plt.subplots(rows, columns, figsize=size, squeeze=False, **options)


def grid_of(data: pd.DataFrame, height: float, **facets: Any) -> sns.FacetGrid:
    """Empty panels without titles, `height` mm each and together as wide as the page."""
    aspect = WIDTH / data[facets["col"]].nunique() / height
    return sns.FacetGrid(data, height=height * MM, aspect=aspect, **facets).set_titles("")


def interval_note(means: pd.DataFrame, study: Study) -> str:
    """The note under `summarise`d means, with intervals over volumes, and over trainings."""
    counts = sorted(means["n"].dropna().unique())
    note = "Mean and 95 % interval (Student's t) over " if counts[-1] > 2 else "Mean over "
    note += " and ".join(f"{count:.0f}" for count in counts) + " test volumes"
    note += " and over trainings" if means["seeds"].max() > 1 else ""
    note += "; no interval of fewer than three volumes" if counts[0] < 3 else ""
    trains_once = all(len(model.seeds) == 1 for model in study.models.values())
    return note + ("; one training per model." if trains_once else ".")


def finish(
    figure: Figure,
    job: Any,
    note: str,
    legend: Sequence[Line2D] = (),
    subtitle: Sequence[str] = (),
) -> None:
    """Add title and legend above a figure, and one line of note below; write it with its caption.

    `subtitle` is lines below the title. The figure is as high as its panels alone. `job` is
    Snakemake's object of the script.
    """
    panels = figure.get_figheight() / MM
    longest = max((len(str(handle.get_label())) for handle in legend), default=1)
    columns = max(1, int(WIDTH / (1.15 * longest + 14)))
    head = HEAD + LINE * len(subtitle)
    height = head + 1 + 3.4 * math.ceil(len(legend) / columns) + panels + FOOT
    figure.set_size_inches(WIDTH * MM, height * MM)
    above = (0.5, 1 - head / height)
    figure.legend(handles=legend, loc="upper center", bbox_to_anchor=above, ncols=columns)
    left, top = 2 / WIDTH, 1 - 2 / height
    figure.text(left, 1 - HEAD / height, "\n".join(subtitle), va="top", color="0.3")
    figure.text(left, top, job.params.title, va="top", size=8, weight="bold")
    figure.text(1 - left, top, job.params.study.title, va="top", ha="right", color="0.4")
    figure.text(left, 1.2 / height, note, va="bottom", size=SMALL, color="0.3")
    rect = (0.004, FOOT / height, 0.992, panels / height)
    has_images = any(ax.images for ax in figure.axes)  # which stand close together
    pad = (0.4 if has_images else 1.0) * MM
    figure.set_layout_engine("constrained", rect=rect, h_pad=pad, w_pad=pad, compress=has_images)
    with whole(job.output.pdf) as file:
        figure.savefig(file, format="pdf", metadata={"CreationDate": None})
    figure.set_layout_engine("none")  # laid out once, so that both files are alike
    with whole(job.output.png) as file:
        figure.savefig(file, format="png", metadata={"Software": None})
    plt.close(figure)
    caption = f"{job.params.caption.strip()}\n\n{note}\n"
    write_whole(job.output.caption, caption)
