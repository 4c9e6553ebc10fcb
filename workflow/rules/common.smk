# What all rules share: the resolved study, the names that wildcards stand for, and a few params.

import csv
import functools
import math
import os
import shutil
import sys
from pathlib import Path

import jinja2
import yaml
from snakemake.exceptions import IncompleteCheckpointException, WorkflowError

# The folder of this file: a workflow that uses this one as a module has another
WORKFLOW = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parent
SCRIPTS = WORKFLOW / "scripts"
RESOURCES = WORKFLOW.parent / "resources"
sys.path.insert(0, str(SCRIPTS))
HAS_GPU = shutil.which("nvidia-smi") is not None

from denoising.images.archive_names import folder_files
from denoising.images.found import find_images
from denoising.images.matching import match_pairs
from denoising.running.checksums import files_of_network, sha256_of
from denoising.running.environment import close_to_others, set_environment
from denoising.running.logs import lines_before_the_error, sentence_in
from denoising.running.names import any_of, first_of
from denoising.running.provenance import code_version as version_of
from denoising.running.provenance import recorded_title
from denoising.study import categories
from denoising.study import config as study_config
from denoising.study import products
from denoising.study.baselines import BASELINES
from denoising.study.names import INPUT, OVER_TRAININGS, QUICKLOOKS, TWO_TRAININGS
from denoising.study.paths import wildcard
from denoising.study.errors import StudyError
from denoising.study.validation import check_yaml
from denoising.study.viewed import viewed_runs
from denoising.training import retraining

IS_ALONE = Path(workflow.basedir).resolve() == WORKFLOW.parent.resolve()
close_to_others()
set_environment(os.environ, SCRIPTS, IS_ALONE, HAS_GPU, workflow.remote_exec)


def refuse(sentence):
    """End with one sentence, without the lines that Snakemake adds to errors."""
    sys.exit(f"\n{sentence}")


def refuse_closed_folders():
    """End with a sentence, where Snakemake would end with a traceback."""
    for name in (".", ".snakemake", "results", "logs"):
        if os.path.exists(name) and not os.access(name, os.W_OK):
            refuse(
                f"{Path(name).resolve()}: is read-only for this user; change its permissions or "
                "those of its disk, or run in a folder of your own by --directory."
            )


try:
    if workflow.is_main_process:
        refuse_closed_folders()
        for file in workflow.configfiles:
            check_yaml(Path(file))
    schema = yaml.safe_load(
        (WORKFLOW / "schemas" / "config.schema.yaml").read_text(encoding="utf-8")
    )
    STUDY = study_config.resolve(config, schema)
except StudyError as error:
    refuse(f"The config does not describe a study. {error}")

TABLES = {table.name: table for table in products.tables(STUDY)}
FIGURES = {figure.name: figure for figure in products.figures(STUDY)}
# Test sets whose ground truth and input the 2019 study swapped
SWAPPED_IN_2019 = [
    name for name, dataset in STUDY.datasets.items() if dataset.published == "tribolium"
]


def warn_of_another_study():
    """Warn if results of another study would be replaced; a study may also get another title."""
    title = recorded_title(Path("results/config.yaml"))
    if title not in (None, STUDY.title):
        logger.warning(
            f'results/ holds the study "{title}": results of the same name will be replaced by '
            f'those of "{STUDY.title}"; to keep both, run one elsewhere with --directory.'
        )


if workflow.is_main_process:
    warn_of_another_study()


wildcard_constraints:
    dataset=any_of(STUDY.datasets),
    run=any_of(STUDY.runs),
    ensemble=any_of(STUDY.ensembles),
    baseline=any_of(STUDY.baselines),
    method=any_of([*STUDY.runs, *STUDY.ensembles, *STUDY.baselines, INPUT]),
    split=any_of({model.training.split_name for model in STUDY.models.values()}),


def code_version(script):
    """Version of the code behind a rule: only an edit to this code reruns the rule.

    It is a function of the wildcards because every job reads all rules, and reading the code behind
    all of them takes half a second.
    """
    return lambda wildcards: version_of(SCRIPTS / script)


def untracked(value):
    """A param whose change reruns no job, because Snakemake records no functions of the input."""
    return lambda wildcards, input: value(wildcards) if callable(value) else value


def growing(megabytes):
    """Memory in MB, times the attempt if a profile retries."""
    return lambda wildcards, attempt: megabytes * attempt


def shipped(name):
    """A file of the workflow itself; it is never in the storage that may hold results."""
    return local(str(RESOURCES / name))


def gpus(wildcards):
    """GPUs that a job with a network requests: none if it will run here and there is none here.

    A dry run does not tell where its jobs would run.
    """
    runs_here = workflow.local_exec and not workflow.dryrun
    return 0 if STUDY.device == "cpu" or (runs_here and not HAS_GPU) else 1


def dataset_of(wildcards):
    return STUDY.datasets[wildcards.dataset]


def condition_names(wildcards):
    return dataset_of(wildcards).condition_names


def keep_if_asked(path):
    """Restorations are temporary unless the config keeps them: they can outweigh all other files."""
    return path if STUDY.restoration.keep else temp(path)


def all_tables():
    return expand(
        "results/tables/{name}.{kind}", name=TABLES, kind=["csv", "md", "html"]
    )


def all_figures():
    return expand(
        "results/figures/{name}.{kind}",
        name=FIGURES,
        kind=["pdf", "png", "txt"],
    )


def is_record(product):
    """Whether a table or figure is made from the published study's own records alone."""
    return product.category == categories.PUBLISHED and not product.inputs(STUDY)


def published_names(products_by_name):
    """Tables or figures of the published study that are made from its own records alone."""
    return [name for name, product in products_by_name.items() if is_record(product)]
