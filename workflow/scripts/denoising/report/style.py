"""How figures look: seaborn's theme at the width of a journal's page, one palette, whole files.

A model has one colour in all figures of a study; the model of a second arm that matches it, and its
ensemble, have the same. A shape stands for the dataset that a model was trained on.
"""

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from denoising.study.study import Study

MM = 1 / 25.4
WIDTH = 180.0  # mm
HEAD = 6.0  # mm above the legend
FOOT = 4.5  # mm below the panels
SMALL = 6.0  # points
GREY = "#7F7F7F"
GRID = "0.92"
# seaborn's "colorblind" without its yellow and light pink, which are faint on paper; then Tol's
COLOURS = [*sns.color_palette("colorblind"), "#332288", "#661100", "#44AA99"]
COLOURS = [colour for i, colour in enumerate(COLOURS) if i not in (6, 8)]
MARKERS = ("o", "s", "^", "P")
ENSEMBLE_MARKER = "X"
SIZES: dict[str, float] = dict.fromkeys(("font.size", "axes.titlesize", "axes.labelsize"), 7)
SIZES |= dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize"), 6.5)
SIZES |= dict.fromkeys(("axes.linewidth", "xtick.major.width", "ytick.major.width"), 0.6)
SIZES |= {"xtick.major.size": 2.5, "ytick.major.size": 2.5, "lines.linewidth": 0.8}
SPINES = {"axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False}
FILES = {"font.family": "DejaVu Sans", "savefig.dpi": 300, "pdf.fonttype": 42}


def use_theme() -> None:
    """Set the theme of all figures, whatever the user's own settings are."""
    mpl.use("agg")
    mpl.rcdefaults()
    sns.set_theme(context="paper", style="ticks", palette=COLOURS, rc=SIZES | SPINES | FILES)


def palette(study: Study) -> dict[str, Any]:
    """The colour of every model and ensemble, by name."""
    models = [name for name in study.models if name not in study.matched_models]
    # Compared models come first, so that the clearest colours are theirs
    models.sort(key=lambda name: name not in study.compared_models)
    colours = dict(zip(models, itertools.cycle(COLOURS), strict=False))
    colours |= {name: colours[model] for name, model in study.matched_models.items()}
    return colours | {name: colours[model] for name, model in study.ensembles.items()}


def markers(study: Study) -> dict[str, str]:
    """The marker of every model and ensemble, by name."""
    shapes = dict(zip(study.datasets, itertools.cycle(MARKERS), strict=False))
    trained = {name: shapes[model.trained_on] for name, model in study.models.items()}
    return trained | dict.fromkeys(study.ensembles, ENSEMBLE_MARKER)


def model_label(name: str, study: Study) -> str:
    """A model or ensemble for a legend: what it was trained on, and for how long."""
    training = study.training_of(name)
    kind = "ensemble trained" if name in study.ensembles else "trained"
    return f"{kind} on {study.datasets[training.trained_on].label}, {training.epochs} epochs"


def entry(label: str, **look: Any) -> Line2D:
    """An entry of a legend; a marker without a line, unless `look` has one."""
    return Line2D([], [], label=label, **{"linestyle": "", "color": "0.3", **look})


def grid_of(data: pd.DataFrame, height: float, **facets: Any) -> sns.FacetGrid:
    """Empty panels without titles, `height` mm each and together as wide as the page."""
    columns = len(facets["col_order"])
    grid = sns.FacetGrid(data, height=height * MM, aspect=WIDTH / columns / height, **facets)
    grid.set_titles("")
    return grid


def interval_note(volumes: Iterable[int], study: Study, over_trainings: bool = True) -> str:
    """The line of note under a figure of means with intervals over these numbers of volumes.

    `over_trainings` tells whether the intervals of models with several trainings include these.
    """
    counts = sorted({int(count) for count in volumes})
    seeds = max(len(model.seeds) for model in study.models.values())
    note = "Mean and 95 % interval (Student's t) over "
    note += " and ".join(map(str, counts)) + " test volumes"
    note += " and over trainings" if seeds > 1 and over_trainings else ""
    note += "; no interval of fewer than three volumes" if counts[0] < 3 else ""
    return note + ("; one training per model." if seeds == 1 else ".")


def finish(
    figure: Figure,
    job: Any,
    note: str,
    legend: Sequence[Artist] = (),
    compress: bool = False,
) -> None:
    """Lay the panels out between title and legend above and one line of note below; save.

    Parameters
    ----------
    figure : Figure
        As high as its panels alone.
    job : Snakemake's object of the script
        Its output is a `pdf`, a `png` and a `caption`; its params hold the study, the figure's
        title and its caption.
    compress : bool
        For panels of images: close the gaps that their fixed shapes leave.
    """
    panels = figure.get_figheight() / MM
    above = HEAD + 1
    if legend:
        longest = max(len(str(handle.get_label())) for handle in legend)
        columns = max(1, min(5, len(legend), int(WIDTH / (1.15 * longest + 14))))
        box = figure.legend(handles=legend, loc="upper center", ncols=columns)
        above += box.get_window_extent().height / figure.dpi / MM
    height = above + panels + FOOT
    figure.set_size_inches(WIDTH * MM, height * MM)
    if legend:
        box.set_bbox_to_anchor((0.5, 1 - HEAD / height), transform=figure.transFigure)
    rect = (0.004, FOOT / height, 0.992, panels / height)
    pad = (0.4 if compress else 1.0) * MM
    engine = ConstrainedLayoutEngine(rect=rect, h_pad=pad, w_pad=pad, compress=compress)
    figure.set_layout_engine(engine)
    _add_words(figure, job.params, note)
    _save(figure, job)


def _add_words(figure: Figure, params: Any, note: str) -> None:
    top = 1 - 2 * MM / figure.get_figheight()
    figure.text(2 / WIDTH, top, params.title, va="top", size=8, weight="bold")
    figure.text(1 - 2 / WIDTH, top, params.study.title, va="top", ha="right", color="0.4")
    figure.text(2 / WIDTH, 0.6 * (1 - top), note, va="bottom", size=SMALL, color="0.3")


def _save(figure: Figure, job: Any) -> None:
    """Write PDF, PNG and caption whole and without a date."""
    for kind, metadata in (("pdf", {"CreationDate": None}), ("png", {"Software": None})):
        path = Path(getattr(job.output, kind))
        partial = path.with_name(path.name + ".partial")
        figure.savefig(partial, format=kind, metadata=metadata)
        partial.replace(path)
        figure.set_layout_engine("none")  # laid out once, so that both files are alike
    plt.close(figure)
    Path(job.output.caption).write_text(job.params.caption.strip() + "\n", encoding="utf-8")
