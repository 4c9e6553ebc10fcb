"""Which networks the viewer of a test set shows."""

from denoising.study.study import Study

MOST_NETWORKS = 4  # columns that are still wide enough beside input, filter and truth


def viewed_runs(study: Study, dataset: str) -> list[str]:
    """The first run of each network that the viewer shows: that of figure 2, then compared models.

    Where no models are compared, all that are tested on the dataset follow. At most
    `MOST_NETWORKS` are shown; one, where restorations are not kept, because those shown are on the
    disk together.
    """
    most = MOST_NETWORKS if study.restoration.keep else 1
    tested = list(study.models_tested_on(dataset))
    compared = [model for model in tested if model.name in study.compared_models]
    runs = [study.example_run(dataset), *(model.runs[0] for model in compared or tested)]
    return list(dict.fromkeys(runs))[:most]


def runs_left_out(study: Study, dataset: str) -> list[str]:
    """Runs that are tested on the dataset, and that its viewer does not show."""
    tested = [run for model in study.models_tested_on(dataset) for run in model.runs]
    return [run for run in tested if run not in viewed_runs(study, dataset)]
