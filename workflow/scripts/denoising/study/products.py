"""The tables and figures of a study: name, title, inputs, and when a study has them.

A new table is a script in `scripts/tables/` and an entry of `TABLES`, a new figure a script in
`scripts/figures/` and an entry of `FIGURES`; its caption is `report/tables/NAME.rst` or
`report/figures/NAME.rst`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from denoising.study import categories
from denoising.study.exposures import exposed_datasets, own_models
from denoising.study.names import INPUT
from denoising.study.study import Study

Files = dict[str, str | list[str]]


@dataclass(frozen=True)
class Product:
    """A table or figure.

    `name` is that of its files and, unless `script` names another, of its script and caption;
    `title` and `category` place it in the report. `inputs` gives the files it reads, by name;
    `published` are the files of `resources/` it reads beside them, by name. `when` tells whether a
    study has it.
    """

    name: str
    title: str
    category: str
    inputs: Callable[[Study], Files]
    published: Mapping[str, str] | None = None
    when: Callable[[Study], object] = lambda study: True
    script: str = ""

    @property
    def script_name(self) -> str:
        return self.script or self.name


def score_files(study: Study, models: Iterable[str], datasets: Iterable[str]) -> list[str]:
    """Scores of models, of the input and of baselines on those datasets that they are tested on."""
    tests = _tests(study, models, list(datasets))
    return [f"results/scores/{method}/{dataset}.csv" for method, dataset in tests]


def nuclei_files(study: Study, models: Iterable[str], folder: str = "nuclei") -> list[str]:
    """Scores of the nuclei that models, the input and baselines show, where nuclei are scored."""
    tests = _tests(study, models, study.datasets_with_nuclei)
    return [f"results/{folder}/{method}/{dataset}.csv" for method, dataset in tests]


def _tests(study: Study, models: Iterable[str], datasets: Sequence[str]) -> list[tuple[str, str]]:
    """Methods on datasets: input and baselines on all, models on those that they are tested on."""
    methods = [(method, dataset) for method in (INPUT, *study.baselines) for dataset in datasets]
    methods += [
        (method, dataset)
        for model in models
        for dataset in datasets
        if dataset in study.models[model].tested_on
        for method in study.models[model].methods
    ]
    return methods


def _held_out(study: Study, datasets: Iterable[str]) -> Files:
    """Records of the test sets that are a user's own pairs."""
    own = [name for name in datasets if study.datasets[name].is_pairs]
    return {"records": [f"results/archives/{name}.json" for name in own]}


def _test_set_scores(dataset: str, study: Study) -> Files:
    scores = score_files(study, study.models, [dataset])
    return {"scores": scores} | _held_out(study, [dataset])


def _stratified_scores(study: Study) -> Files:
    return {"scores": score_files(study, study.models, study.stratified_datasets)}


def _compared_scores(study: Study) -> Files:
    return {"scores": score_files(study, study.compared_models, study.tested_datasets)}


def _sweep_scores(sweep: str, study: Study) -> Files:
    """Scores of a sweep's models on the datasets that all of them are tested on."""
    models = study.sweeps[sweep].all_models
    tested = [set(study.models[model].tested_on) for model in models]
    common = [name for name in study.datasets if all(name in names for names in tested)]
    return {"scores": score_files(study, models, common)}


def _exposure_scores(study: Study) -> Files:
    """Scores of every dataset's own networks where the exposures are known."""
    files = [
        file
        for name in exposed_datasets(study)
        for file in score_files(study, own_models(study, name), [name])
    ]
    return {"scores": files}


def resolution_files(study: Study, folder: str) -> list[str]:
    """Resolution of the compared models, the input and baselines; of all models if none is."""
    tests = _tests(study, study.compared_models or study.models, study.tested_datasets)
    return [f"results/{folder}/{method}/{dataset}.csv" for method, dataset in tests]


def _all_scores(study: Study) -> Files:
    return {"scores": "results/scores.csv"}


def verdict_files(study: Study) -> Files:
    """What sentences on networks and test sets are made from."""
    return _all_scores(study) | _held_out(study, study.tested_datasets)


def _nuclei(study: Study) -> Files:
    return {"scores": nuclei_files(study, study.models)}


def _compared_nuclei(study: Study) -> Files:
    models = study.compared_models or list(study.models)
    return {
        "scores": nuclei_files(study, models),
        "curves": nuclei_files(study, models, "nuclei_curves"),
    }


def _resolution_scores(study: Study) -> Files:
    return {"scores": resolution_files(study, "resolution_scores")}


def _resolution_curves(study: Study) -> Files:
    """Curves, and the scores by which the best baseline is known."""
    scores = score_files(study, [], study.tested_datasets)
    return {"curves": resolution_files(study, "resolution"), "scores": scores}


def _histories(study: Study) -> Files:
    return {"histories": [f"results/models/{run}/history.csv" for run in study.trainings]}


def _trainings(study: Study) -> Files:
    """Histories, and what each training records of itself."""
    records = [f"results/models/{run}/training.json" for run in study.trainings]
    return _histories(study) | {"trainings": records}


def _runtimes(study: Study) -> Files:
    """Runtimes of restoration: of every run, and of every baseline."""
    tests = [
        (run.name, dataset)
        for run in study.runs.values()
        for dataset in study.models[run.model].tested_on
    ]
    tests += [(name, dataset) for name in study.baselines for dataset in study.tested_datasets]
    return {"runtimes": [f"results/runtimes/{method}/{dataset}.json" for method, dataset in tests]}


def _calibrations(study: Study) -> Files:
    files = [f"results/calibration/{name}/{dataset}.csv" for name, dataset in study.calibrated]
    return {"calibration": files}


def _ladder(study: Study) -> Files:
    return {"explanation": "results/explanation.csv"}


def _patch_examples(study: Study) -> Files:
    return {"examples": [f"results/examples/patches-{name}.npz" for name in study.patched_datasets]}


def _restoration_examples(study: Study) -> Files:
    """Sections, and what the verdict on the model that they show is made from."""
    shown = [(study.example_run(dataset), dataset) for dataset in study.tested_datasets]
    scores = score_files(study, [], study.tested_datasets) + [
        f"results/scores/{run}/{dataset}.csv"
        for example, dataset in shown
        for run in study.models[study.runs[example].model].runs
    ]
    examples = [f"results/examples/{run}/{dataset}.npz" for run, dataset in shown]
    return {"examples": examples, "scores": scores}


def _own_images(study: Study) -> Files:
    """What the check of a user's pairs wrote; nothing without pairs."""
    own = [f"results/checks/{name}" for name, one in study.datasets.items() if one.is_pairs]
    return {kind: [f"{path}.{kind}" for path in own] for kind in ("csv", "txt") if own}


def _nothing(study: Study) -> Files:
    return {}


def _has_trainings(study: Study) -> bool:
    return bool(study.trainings)


def _is_compared(study: Study) -> bool:
    """Whether a test set stands beside published numbers."""
    return bool(study.published_datasets)


def _beside_published(study: Study) -> list[str]:
    """Runs trained on real images that the published records are of."""
    real = {
        dataset.name
        for dataset in study.datasets.values()
        if dataset.published and not dataset.is_simulated
    }
    trainings = study.trainings.values()
    return [run.name for run in trainings if study.models[run.model].trained_on in real]


def _histories_beside_published(study: Study) -> Files:
    runs = _beside_published(study)
    return {"histories": [f"results/models/{run}/history.csv" for run in runs]}


SCORES = {"published": "published_scores.csv"}
RUNTIMES = {"published": "published_runtimes.csv"}
RECORDS = {"records": "published_histories.csv"}
TIMES = RECORDS | RUNTIMES | {"sizes": "published_volumes.csv"}
CONCLUSIONS = RECORDS | SCORES | {"volumes": "published_volume_scores.csv"}
CONCLUSIONS |= {"conclusions": "published_conclusions.csv"}
PROTOCOLS = {"protocols": "published_protocols.csv"}


def _of_records(name: str, title: str, records: Mapping[str, str]) -> Product:
    """A product that reads nothing but records of the published study."""
    return Product(name, title, categories.PUBLISHED, _nothing, records, when=_is_compared)


TABLES = (
    Product("hyperparameters", "Hyperparameters", categories.TRAINING, _nothing, SCORES),
    Product(
        "runtimes", "Training times", categories.TRAINING, _trainings, RUNTIMES, when=_has_trainings
    ),
    Product(
        "runtime_lines",
        "Training time against steps per epoch",
        categories.TRAINING,
        _histories,
        RUNTIMES,
        when=lambda study: _is_compared(study) and _has_trainings(study),
    ),
    Product(
        "own_images", "Own images and their check", categories.DATA, _own_images, when=_own_images
    ),
    Product("verdicts", "Networks beside input and filters", categories.REPLICATION, verdict_files),
    Product(
        "comparisons", "Paired differences between methods", categories.REPLICATION, _all_scores
    ),
    Product("restoration_runtimes", "Restoration times", categories.TRAINING, _runtimes),
    Product(
        "why_the_numbers_differ",
        "From the 2019 study's numbers to the CARE paper's",
        categories.REPLICATION,
        _ladder,
        when=_is_compared,
    ),
    Product("resolution", "Resolution of restorations", categories.BIOLOGY, _resolution_scores),
    Product(
        "nuclei",
        "Nuclei found, missed and invented",
        categories.BIOLOGY,
        _nuclei,
        when=lambda study: study.datasets_with_nuclei,
    ),
    Product(
        "strata",
        "Scores by stratum",
        categories.REPLICATION,
        _stratified_scores,
        when=lambda study: study.stratified_datasets,
    ),
    Product(
        "calibration",
        "Calibration of predicted errors",
        categories.CALIBRATION,
        _calibrations,
        when=lambda study: study.probabilistic_methods,
    ),
    Product(
        "generalization",
        "Scores between organisms",
        categories.GENERALIZATION,
        _compared_scores,
        SCORES,
        when=lambda study: study.is_cross_tested,
    ),
    _of_records("published_curves", "The 2019 study's trainings", RECORDS),
    _of_records(
        "published_conclusions", "Which conclusions of the 2019 study survive", CONCLUSIONS
    ),
    _of_records("published_times", "What the 2019 study's epochs cost", TIMES),
    _of_records(
        "published_time_lines", "The 2019 study's overhead, and the CARE paper's steps", TIMES
    ),
    _of_records("comparable_numbers", "Which published numbers may stand beside which", PROTOCOLS),
)
FIGURES = (
    Product(
        "nuclei",
        "Nuclei found, missed and invented",
        categories.BIOLOGY,
        _compared_nuclei,
        when=lambda study: study.datasets_with_nuclei,
    ),
    Product("fig1_patches", "Training patches", categories.DATA, _patch_examples),
    Product("fig2_restoration", "Restorations", categories.REPLICATION, _restoration_examples),
    Product(
        "learning_curves", "Learning curves", categories.TRAINING, _histories, when=_has_trainings
    ),
    Product(
        "runtimes",
        "Training times",
        categories.TRAINING,
        _histories,
        RUNTIMES,
        when=lambda study: len(study.trainings) > 1,
    ),
    Product(
        "why_the_numbers_differ",
        "From the 2019 study's numbers to the CARE paper's",
        categories.REPLICATION,
        _ladder,
        SCORES,
        when=_is_compared,
    ),
    Product(
        "calibration",
        "Calibration of predicted errors",
        categories.CALIBRATION,
        _calibrations,
        when=lambda study: study.probabilistic_methods,
    ),
    Product("resolution", "Resolution of restorations", categories.BIOLOGY, _resolution_curves),
    Product(
        "exposure",
        "Scores against exposure",
        categories.REPLICATION,
        _exposure_scores,
        when=lambda study: exposed_datasets(study) and study.baselines,
    ),
    Product(
        "fig3_generalization",
        "Scores between organisms",
        categories.GENERALIZATION,
        _compared_scores,
        SCORES,
        when=lambda study: study.is_cross_tested,
    ),
    _of_records("published_curves", "The 2019 study's trainings", RECORDS),
    Product(
        "curves_beside_published",
        "Our trainings beside the 2019 study's",
        categories.PUBLISHED,
        _histories_beside_published,
        RECORDS,
        when=_beside_published,
        script="published_curves",
    ),
    _of_records("published_times", "What the 2019 study's epochs cost", TIMES),
)


def tables(study: Study) -> list[Product]:
    """The study's tables: one of scores per test set, and those of `TABLES` that it has."""
    scores = [
        Product(
            dataset.table,
            f"Scores on {dataset.label}",
            categories.REPLICATION,
            partial(_test_set_scores, dataset.name),
            SCORES,
            script="scores",
        )
        for dataset in (study.datasets[name] for name in study.tested_datasets)
    ]
    return scores + [product for product in TABLES if product.when(study)]


def figures(study: Study) -> list[Product]:
    """The study's figures: one per sweep, and those of `FIGURES` that it has."""
    sweeps = [
        Product(
            sweep.figure,
            f"Scores against {sweep.varies.replace('_', ' ')}",
            categories.SWEEPS,
            partial(_sweep_scores, sweep.figure),
            SCORES,
            script="sweep",
        )
        for sweep in study.sweeps.values()
    ]
    return sweeps + [product for product in FIGURES if product.when(study)]
