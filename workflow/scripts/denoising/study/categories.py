"""Where tables and figures stand in the report, and what they show."""

from collections.abc import Mapping, Sequence
from pathlib import PurePath

from denoising.study.study import Study

IMAGES = "Images"
OWN_IMAGES = "Own images"
REPLICATION = "Replication"
SWEEPS = "Sweeps"
GENERALIZATION = "Generalization"
BIOLOGY = "Biology"
CALIBRATION = "Calibration"
TRAINING = "Training and runtimes"
DATA = "Data checks"
# `snakemake published` makes the products of this category that read no results
PUBLISHED = "Published records"
# As the report's first page lists them
ORDER = (
    IMAGES, OWN_IMAGES, REPLICATION, SWEEPS, GENERALIZATION, BIOLOGY, CALIBRATION, TRAINING, DATA,
    PUBLISHED,
)  # fmt: skip


def category_in(study: Study, category: str) -> str:
    """The category in this study: one that replicates nothing has its own images instead."""
    return OWN_IMAGES if category == REPLICATION and not study.published_datasets else category


def shown(files: Mapping[str, str | Sequence[str]], study: Study) -> dict[str, str]:
    """Organisms, conditions and models that a table or figure shows, each as a text.

    Parameters
    ----------
    files : mapping
        Its inputs. The name of a file may be that of a dataset, those of its folders may be those
        of runs; if none is, all are shown.
    """
    listed = [[one] if isinstance(one, str) else one for one in files.values()]
    paths = [PurePath(path) for one in listed for path in one]
    folders = {name for path in paths for name in path.parts[:-1]}
    methods = {run.name: run.model for run in study.runs.values()} | study.ensembles
    models = {model for name, model in methods.items() if name in folders}
    datasets = [name for name in study.datasets if name in {path.stem for path in paths}]
    if models and not datasets:
        trained = {study.models[name].patches_of for name in models}
        datasets = [name for name in study.datasets if name in trained]
    if not datasets:
        datasets, models = study.tested_datasets, set(study.models)
    chosen = [study.datasets[name] for name in datasets]
    conditions = [one.short_label(name) for one in chosen for name in one.condition_names]
    return {
        "organism": ", ".join(dataset.label for dataset in chosen),
        "condition": ", ".join(dict.fromkeys(conditions)),
        "model": ", ".join(name for name in study.models if name in models),
    }
