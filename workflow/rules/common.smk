# What the rules share: the resolved study, the patterns of the wildcards, and the functions that find inputs.

import csv
import functools
import gc
import inspect
import math
import os
import shutil
import sys
from pathlib import Path

import yaml
from snakemake import sourcecache
from snakemake.exceptions import WorkflowError

# The graph of a large study is millions of objects that stay: looking for garbage among them took a quarter of the time
gc.set_threshold(100_000, 20, 100)
# Snakemake takes the address of a script to pieces three times a job, making a class each time: a third of what was left
if hasattr(sourcecache, "parse_uri"):
    sourcecache.parse_uri = functools.cache(sourcecache.parse_uri)

SCRIPTS = Path(workflow.basedir) / "workflow" / "scripts"
SCHEMA = Path(workflow.basedir) / "workflow" / "schemas" / "config.schema.yaml"
RESOURCES = Path(workflow.basedir) / "resources"
sys.path.insert(0, str(SCRIPTS))

from denoising.running import disk
from denoising.study import config as studies
from denoising.images.matching import match_pairs
from denoising.running.names import one_of
from denoising.running.provenance import code_version as version_of
from denoising.running.provenance import recorded_title

try:
    if workflow.is_main_process:  # jobs would start later for it
        for file in workflow.configfiles:
            studies.refuse_repeated_keys(Path(file))
    STUDY = studies.resolve(config, yaml.safe_load(SCHEMA.read_text()))
except studies.StudyError as error:
    raise WorkflowError(f"The config does not describe a study. {error}")

DATASETS = STUDY["datasets"]
MODELS = STUDY["models"]
RUNS = STUDY["runs"]
ENSEMBLES = STUDY["ensembles"]
ENSEMBLES_OF = {model: [name] for name, model in ENSEMBLES.items()}
BASELINES = STUDY["baselines"]
TRAINED_ON = sorted({values["trained_on"] for values in MODELS.values()})
# What a job that runs a network asks for; those on the CPU take turns by its lease alone
GPUS = 0 if STUDY["device"] == "cpu" else 1
# Runs that predict the scale of their error, and test sets whose roles the 2019 study swapped
PROBABILISTIC = studies.probabilistic_runs(STUDY)
SWAPPED_IN_2019 = [
    name for name, dataset in DATASETS.items() if dataset["published"] == "tribolium"
]


def warn_of_another_study():
    """Say whose results are about to be replaced; no error, for a study may as well get another title."""
    there, here = recorded_title(Path("results/config.yaml")), STUDY["title"]
    if there not in (None, here):
        logger.warning(
            f'results/ holds the study "{there}": results of the same name will be replaced by those of "{here}"; '
            "to keep both, run one elsewhere with --directory."
        )


if workflow.is_main_process:
    warn_of_another_study()


def with_source(source):
    """Names of the datasets that have this source."""
    return [name for name, dataset in DATASETS.items() if source in dataset]


wildcard_constraints:
    dataset=one_of(DATASETS),
    run=one_of(RUNS),
    ensemble=one_of(ENSEMBLES),
    baseline=one_of(BASELINES),
    method=one_of([*RUNS, *ENSEMBLES, *BASELINES, "input"]),
    split="tail|random|by-volume",


def ready(function):
    """The function, its parameters at hand: Snakemake looks for them a dozen times a job."""
    function.__signature__ = inspect.signature(function)
    return function


def code_version(script):
    """Version of the code behind a rule: an edit to it, and to nothing else, reruns the rule."""
    # A function, for every job reads all rules, and reading the code behind all of them takes half a second
    return ready(lambda wildcards: version_of(SCRIPTS / script))


def setting(*keys):
    """A value of the dataset that the wildcards name, or of what lies below it."""

    @ready
    def value(wildcards):
        found = DATASETS[wildcards.dataset]
        for key in keys:
            found = found[key]
        return found

    return value


def untracked(value):
    """A param whose change is no reason to run a job again: Snakemake does not record what is a function of the input."""
    return ready(
        lambda wildcards, input: value(wildcards) if callable(value) else value
    )


def shipped(name):
    """A file of the workflow's own, which is never in the storage that results may be in."""
    return local(str(RESOURCES / name))


@ready
def condition_names(wildcards):
    return studies.conditions(STUDY, wildcards.dataset)


def patch_settings(wildcards):
    """What makes a dataset's patches, and nothing that does not: a changed setting retrains."""
    dataset = DATASETS[wildcards.dataset]
    wanted = dataset["patches"]
    if wanted["source"] == "npz":
        return {"shape": wanted["shape"], "axes": wanted["axes"]}
    conditions = condition_names(wildcards)
    return {
        "shape": wanted["shape"],
        "per_volume": wanted["per_volume"],
        "conditions": conditions,
        "seed": STUDY["seed"],
    }


def condition_sources(wildcards):
    return {c["name"]: c["source"] for c in DATASETS[wildcards.dataset]["conditions"]}


def local_archive(wildcards):
    """The archive's file where it is a local one; nothing to wait for where it is a URL."""
    path = DATASETS[wildcards.dataset]["archive"]["path"]
    return [path] if path else []


@functools.cache
def image_pairs(dataset):
    pairs = DATASETS[dataset]["pairs"]
    try:
        return match_pairs(pairs["low"], pairs["high"])
    except ValueError as error:
        raise WorkflowError(f"datasets.{dataset}.{error}")


# What is wrong with them is said here in one sentence: said by the input of a rule, it would stand in a traceback
if workflow.is_main_process:
    for name in with_source("pairs"):
        image_pairs(name)


def pair_files(side):
    """The low (1) or high (2) files of the dataset's pairs."""
    return lambda wildcards: [
        str(pair[side]) for pair in image_pairs(wildcards.dataset)
    ]


def pair_names(wildcards):
    return [name for name, _, _ in image_pairs(wildcards.dataset)]


def batch_sizes(wildcards):
    """Batch size of every model trained on this split of the dataset."""
    trained = studies.training_sets(STUDY, wildcards.dataset)
    return {
        name: values["batch_size"]
        for name, values in trained.items()
        if values["split"] == wildcards.split
    }


def splits_of(dataset):
    """Every split of the dataset that a model trains on."""
    how = sorted(
        {values["split"] for values in studies.training_sets(STUDY, dataset).values()}
    )
    return expand("results/splits/{dataset}/{split}.csv", dataset=dataset, split=how)


def tuning_dataset(wildcards):
    """The dataset whose patches tune baselines for this one: itself, unless none of its patches are trained on."""
    dataset = wildcards.dataset
    tested = [model for model in MODELS if dataset in tested_on(model)]
    return dataset if dataset in TRAINED_ON else MODELS[tested[0]]["trained_on"]


def of_tuning_dataset(pattern):
    return lambda wildcards: pattern.format(dataset=tuning_dataset(wildcards))


def growing(megabytes):
    """Memory in MB: as much more with every attempt, where a profile retries."""
    return ready(lambda wildcards, attempt: megabytes * attempt)


def baseline_memory(wildcards, input, threads, attempt):
    """Memory in MB: a volume a thread, as a whole for methods that take it so."""
    # Measured: 33 and 60 bytes a voxel; else 15 MB, for blocks; 90 MB for what is imported
    bytes_each = {"tv": 64, "wavelet": 36}.get(wildcards.baseline, 0)
    a_thread = 50 + bytes_each * largest_test_volume(input.volumes) / 1e6
    return int((300 + a_thread * threads) * attempt)


def largest_test_volume(volumes):
    """Voxels. While there are no volumes, the missing folder is the error that makes Snakemake ask again."""
    os.stat(volumes)
    with open(Path(volumes, "volumes.csv"), newline="") as file:
        shapes = [row["shape"] for row in csv.DictReader(file) if row["part"] == "test"]
    return max(math.prod(map(int, shape.split("x"))) for shape in shapes)


@ready
def training_values(wildcards):
    """What defines a training, and nothing else: the values of the run's model, with the run's own seed."""
    run = RUNS[wildcards.run]
    values = {
        key: value for key, value in MODELS[run["model"]].items() if key != "seeds"
    }
    return {**values, "seed": run["seed"]}


def remove_finished_checkpoints():
    """Checkpoints of trainings that have written their models; those of interrupted trainings stay."""
    for finished in Path("results/checkpoints").glob("*/*/finished"):
        shutil.rmtree(finished.parent)
        if not any(finished.parents[1].iterdir()):
            finished.parents[1].rmdir()


@ready
def split_of_model(wildcards):
    values = training_values(wildcards)
    return f"results/splits/{values['trained_on']}/{values['split']}.csv"


def of_trained_dataset(pattern):
    """A path with the dataset that the run of the wildcards is trained on."""
    return lambda wildcards: pattern.format(
        dataset=training_values(wildcards)["trained_on"]
    )


@ready
def restored_by_runs(wildcards):
    """What each run of the ensemble's model restored."""
    runs = studies.runs_of(STUDY, ENSEMBLES[wildcards.ensemble])
    return expand("results/restored/{run}/{{dataset}}", run=runs)


def restored_for_example(wildcards):
    """Non-local means beside the restorations of figure 2, where they are among the baselines."""
    return f"results/restored/nlm/{wildcards.dataset}" if "nlm" in BASELINES else []


@ready
def restored_volumes(wildcards):
    """What a method restored; the input has nothing but its volumes."""
    return (
        []
        if wildcards.method == "input"
        else f"results/restored/{wildcards.method}/{wildcards.dataset}"
    )


@ready
def scoring_threads(wildcards):
    """Simulated volumes are small: their jobs gain nothing by threads, and other jobs can use them."""
    return 1 if "simulate" in DATASETS[wildcards.dataset] else 4


@ready
def scored_as(wildcards):
    """The columns of a score that tell the method: a run's model and seed, an ensemble's name, an output."""
    method = wildcards.method
    if method in RUNS:
        named, model = RUNS[method], RUNS[method]["model"]
    elif method in ENSEMBLES:
        named, model = {"model": method, "seed": ""}, ENSEMBLES[method]
    else:
        return {"model": "", "seed": "", "trained_on": "", "output": method}
    return {**named, "trained_on": MODELS[model]["trained_on"], "output": "network"}


def tested_on(model):
    return STUDY["tests"][model]


def methods_of(model):
    """What of a model is scored: each of its runs, and their ensemble where there are several."""
    return studies.runs_of(STUDY, model) + ENSEMBLES_OF.get(model, [])


def scores_of(models, datasets):
    """The scores of models on those of the datasets that they are tested on, and of input and baselines."""
    baselines = expand(
        "results/scores/{method}/{dataset}.csv",
        method=["input", *BASELINES],
        dataset=datasets,
    )
    return baselines + [
        f"results/scores/{method}/{dataset}.csv"
        for model in models
        for dataset in datasets
        if dataset in tested_on(model)
        for method in methods_of(model)
    ]


def dataset_of_table(wildcards):
    return next(name for name in DATASETS if DATASETS[name]["table"] == wildcards.table)


def scores_of_table(wildcards):
    return scores_of(MODELS, [dataset_of_table(wildcards)])


def swept_models(wildcards):
    """The models of a sweep, of both its arms where there are two."""
    sweep = STUDY["studies"][studies.sweeps(STUDY)[wildcards.figure]]
    return list(dict.fromkeys(sweep["models"] + sweep["matched"]))


def scores_of_sweep(wildcards):
    """What a sweep shows: its models, on the datasets that all of them are tested on."""
    models = swept_models(wildcards)
    return scores_of(
        models,
        [
            name
            for name in DATASETS
            if all(name in tested_on(model) for model in models)
        ],
    )


def compared_models():
    """Models of the studies that vary nothing, and every model tested on a dataset it was not trained on."""
    crossed = [
        model
        for model in MODELS
        if set(tested_on(model)) - {MODELS[model]["trained_on"]}
    ]
    unvaried = [
        model
        for entry in STUDY["studies"].values()
        if not entry["varies"]
        for model in entry["models"]
    ]
    return [model for model in MODELS if model in {*crossed, *unvaried}]


def example_of(dataset):
    """The run whose restorations of a dataset figure 2 shows: of the first model trained on it, else tested on it."""
    tested = [model for model in MODELS if dataset in tested_on(model)]
    own = [model for model in tested if MODELS[model]["trained_on"] == dataset]
    return studies.runs_of(STUDY, (own or tested)[0])[0]


def restored_by_example(wildcards):
    return f"results/restored/{example_of(wildcards.dataset)}/{wildcards.dataset}"


def restored_truth(wildcards):
    """The clean stacks as the example's run restores them, where the 2019 study took them for its input."""
    if wildcards.dataset not in SWAPPED_IN_2019:
        return []
    return f"results/restored_truth/{example_of(wildcards.dataset)}/{wildcards.dataset}"


def keep_if_asked(path):
    """A restoration is temporary unless the config keeps it: it can be larger than all else together."""
    return path if STUDY["restoration"]["keep"] else temp(path)


def disk_use():
    """What is said of disk space before any job starts."""
    # Clusters are given no number of cores (then those of the largest job) and may restore all at once; nor need a
    # workstation be given a number of GPUs
    cores = workflow.resource_settings.cores or 8
    gpus = workflow.global_resources.get("gpu")
    devices = (gpus and gpus.value or 1) if workflow.local_exec else math.inf
    parts = disk.disk_use(STUDY, RESOURCES / "published_volumes.csv", cores, devices)
    return disk.said(parts, shutil.disk_usage(".").free)


def storage():
    """How restorations are written, beside their compression: without loss, it is no reason to make them again."""
    return {key: STUDY["restoration"][key] for key in ("format", "dtype")}


def in_slabs():
    """Whether several jobs share each restoration by a network."""
    return STUDY["restoration"]["jobs"] > 1


def kept_restorations():
    """Restored volumes, where the config keeps them."""
    if not STUDY["restoration"]["keep"]:
        return []
    networks = [
        f"results/restored/{method}/{dataset}"
        for model in MODELS
        for dataset in tested_on(model)
        for method in methods_of(model)
    ]
    return networks + expand(
        "results/restored/{baseline}/{dataset}",
        baseline=BASELINES,
        dataset=studies.tested_datasets(STUDY),
    )


def restoration_runtimes():
    """What restoring each test set took, by every run and every baseline."""
    return [
        f"results/runtimes/{method}/{dataset}.json"
        for dataset in studies.tested_datasets(STUDY)
        for method in [*STUDY["baselines"], *RUNS]
        if method not in RUNS or dataset in tested_on(RUNS[method]["model"])
    ]


def calibrated():
    """Run and test set of every restoration whose network predicts the scale of its error."""
    return [
        [run, dataset]
        for run in studies.probabilistic_runs(STUDY)
        for dataset in tested_on(RUNS[run]["model"])
    ]


def all_tables():
    return expand(
        "results/tables/{name}.{kind}", name=studies.tables(STUDY), kind=["csv", "md"]
    )


def all_figures():
    return expand(
        "results/figures/{name}.{kind}",
        name=studies.figures(STUDY),
        kind=["pdf", "png"],
    )


def described():
    """The part of the study that tables and figures speak of."""
    datasets = {
        name: {
            "label": dataset["label"],
            "conditions": studies.conditions(STUDY, name),
            "table": dataset["table"],
            "published": dataset["published"],
        }
        for name, dataset in DATASETS.items()
    }
    told = ("title", "note", "models", "runs", "ensembles", "tests", "studies")
    told += ("baselines",)
    return {key: STUDY[key] for key in told} | {"datasets": datasets}


def reported(path, caption, category, subcategory):
    """A table or figure that `snakemake --report` shows."""
    return report(
        path,
        caption=f"../report/{caption}.rst",
        category=category,
        subcategory=subcategory,
    )
