"""Which datasets and networks the figure of scores against exposure shows."""

from denoising.study.study import Study


def exposed_datasets(study: Study) -> list[str]:
    """Tested datasets of several conditions with known exposures, with a network of their own."""
    return [
        name
        for name in study.tested_datasets
        if len(study.datasets[name].exposures) > 1 and own_models(study, name)
    ]


def own_models(study: Study, dataset: str) -> list[str]:
    """Models that are trained and tested on a dataset: those compared, if there are any."""
    own = [model.name for model in study.models_tested_on(dataset) if model.trained_on == dataset]
    compared = [name for name in own if name in study.compared_models]
    return compared or own
