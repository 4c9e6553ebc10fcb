# Functions that find inputs and params for the rules, in the order of the rules' files.


# data.smk


def datasets_from(*sources):
    """Names of the datasets with one of these sources: simulation, url or path (of an archive),
    pairs or npz.
    """
    return [
        name
        for name, dataset in STUDY.datasets.items()
        if (dataset.is_simulated and "simulation" in sources)
        or (dataset.is_archive and ("url" if dataset.source.url else "path") in sources)
        or (dataset.is_pairs and "pairs" in sources)
        or (dataset.is_npz and "npz" in sources)
    ]


def local_archive(wildcards):
    return os.path.normpath(dataset_of(wildcards).source.path)


def archive_of(wildcards):
    """The archive: the user's own, or the one that was simulated or fetched."""
    if wildcards.dataset in datasets_from("path"):
        return local_archive(wildcards)
    return f"results/archives/{wildcards.dataset}.tar.gz"


def sizes_in_archive(wildcards):
    """Bytes of a local archive, or of the files in its folder, by which a change shows."""
    path = Path(local_archive(wildcards))
    files = folder_files(path) if path.is_dir() else {"": path}
    return {name: file.stat().st_size for name, file in files.items()}


if workflow.is_main_process:
    for name in datasets_from("path"):
        archive = STUDY.datasets[name].source
        if not Path(archive.path).exists():
            raise WorkflowError(
                f"datasets.{name}.archive.path is {archive.path}, where there is no file or folder; "
                "correct it."
            )
        if archive.sha256 and Path(archive.path).is_dir():
            raise WorkflowError(
                f"datasets.{name}.archive.sha256 is given, but {archive.path} is a folder, which has "
                "no checksum; remove sha256, or give the tar file as path."
            )


@functools.cache
def image_pairs(dataset):
    pairs = STUDY.datasets[dataset].source
    try:
        return match_pairs(pairs.low, pairs.high)
    except ValueError as error:
        raise WorkflowError(f"datasets.{dataset}.{error}")


# Here an error is one sentence; raised by the input of a rule it would be a traceback
if workflow.is_main_process:
    for name in datasets_from("pairs"):
        image_pairs(name)


def pair_files(side):
    """The low (1) or high (2) files of the dataset's pairs."""
    return lambda wildcards: [
        str(pair[side]) for pair in image_pairs(wildcards.dataset)
    ]


def paired_files(wildcards):
    """The dataset's pairs, each a list of its name, its low and its high file."""
    return [list(map(str, pair)) for pair in image_pairs(wildcards.dataset)]


def checked_content(wildcards):
    """The checksum of all images of the dataset, which the check of its pairs writes.

    Until the check is done, its file counts as old: it does not tell yet whether images changed.
    """
    try:
        return checkpoints.check_pairs.get(dataset=wildcards.dataset).output.content
    except IncompleteCheckpointException as unknown:
        unknown.targetfile = ancient(unknown.targetfile)
        raise


def leaks_checked(trained, tested):
    """What says that no test image of one dataset trains in the other, if both are own pairs."""
    if trained == tested or not {trained, tested} <= set(datasets_from("pairs")):
        return []
    return [f"results/checks/leaks/{trained}/{tested}.txt"]


def all_leaks_checked():
    return sorted(
        {
            path
            for model in STUDY.models.values()
            for tested in model.tested_on
            for path in leaks_checked(model.trained_on, tested)
        }
    )


def patch_settings(wildcards):
    """The settings that define a dataset's patches, and no others: a changed setting retrains."""
    dataset = dataset_of(wildcards)
    shape = list(dataset.patches.shape)
    if dataset.patches.source == "npz":
        channel = {"channel": dataset.source.channel} if dataset.is_npz else {}
        return {"shape": shape, "axes": dataset.patches.axes, **channel}
    return {
        "shape": shape,
        "per_volume": dataset.patches.per_volume,
        "percentiles": list(dataset.patches.percentiles),
        "conditions": dataset.condition_names,
        "seed": STUDY.seed,
    }


def models_with_split(wildcards):
    """Every model that trains on this split of the dataset, or is calibrated on it."""
    models = STUDY.models_with_patches_of(wildcards.dataset)
    return [model for model in models if model.training.split_name == wildcards.split]


def training_with_split(wildcards):
    """The settings of one of these models: what they say of the split is the same for all."""
    return models_with_split(wildcards)[0].training


def batch_sizes(wildcards):
    models = models_with_split(wildcards)
    return {
        model.name: model.training.batch_size
        for model in models
        if not model.pretrained
    }


def splits_of(dataset):
    """Every split of the dataset that a model trains on."""
    models = STUDY.models_with_patches_of(dataset)
    splits = {model.training.split_name for model in models}
    return expand(
        "results/splits/{dataset}/{split}.csv", dataset=dataset, split=sorted(splits)
    )


# train.smk


def training_settings(wildcards):
    """The settings that define a training, and no others: its model's, with the run's own seed."""
    return {**vars(training_of(wildcards)), "seed": STUDY.runs[wildcards.run].seed}


def training_of(wildcards):
    return STUDY.models[STUDY.runs[wildcards.run].model].training


def of_training(pattern):
    """A path with the dataset and the split that the run, or the method's runs, are trained on."""

    def path(wildcards):
        method = wildcards.get("run") or wildcards.method
        run = STUDY.runs[STUDY.runs_behind(method)[0]]
        training = STUDY.training_of(run.model)
        return pattern.format(dataset=training.trained_on, split=training.split_name)

    return path


def files_of_network(folder):
    """The files of a network made elsewhere that define it."""
    paths = [Path(folder, "config.json"), *sorted(Path(folder).glob("*.h5"))]
    return list(map(str, paths))


def networks_taken_over():
    """What says that the weights of each network made elsewhere fit it."""
    runs = [run for run in STUDY.runs if run not in STUDY.trainings]
    return expand("results/models/{run}/training.json", run=runs)


def start_of_training(wildcards):
    """The files of the network that the training begins with, if it begins with one."""
    start = training_of(wildcards).start_from
    if start is None:
        return []
    if start not in STUDY.models:
        return files_of_network(start)
    run = STUDY.runs_behind(start)[0]
    return [
        f"results/models/{run}/{name}" for name in ("config.json", "weights_best.h5")
    ]


def until_replaced(path):
    """An output that stays while a new one is made, where results are local files.

    Snakemake takes it for new if the job fails, so the rule needs another output beside it.
    """
    stored = workflow.storage_settings.default_storage_provider
    return path if stored else update(path)


def say_what_trains_again():
    """Say on the console which finished models will be trained again, why, and for how long."""
    for job in workflow.dag.needrun_jobs():
        folder = Path("results/models", job.wildcards.get("run", ""))
        if job.rule.name == "train" and (folder / "training.json").is_file():
            reason = workflow.dag.reason(job)
            has_new_data = reason.updated_input or reason.updated_input_run
            why = retraining.cause(
                reason.forced, bool(has_new_data or reason.input_changed)
            )
            settings = training_settings(job.wildcards)
            logger.warning(retraining.announcement(folder, settings, why))


# restore.smk


def leaks_of_run(wildcards):
    """What says that the run was not trained on the test set."""
    trained_on = STUDY.models[STUDY.runs[wildcards.run].model].trained_on
    return leaks_checked(trained_on, wildcards.dataset)


def storage():
    """How restorations are written, without their lossless compression, which changes no voxel."""
    return {"format": STUDY.restoration.format, "dtype": STUDY.restoration.dtype}


def in_slabs():
    """Whether several jobs share each restoration by a network."""
    return STUDY.restoration.jobs > 1


def restored_by_runs(wildcards):
    """Restorations by each run of the ensemble's model."""
    runs = STUDY.runs_behind(wildcards.ensemble)
    return expand("results/restored/{run}/{{dataset}}", run=runs)


def factors_of_intervals(wildcards):
    """The ensemble's conformal factors, if its networks predict their error and its files stay."""
    predicts = wildcards.ensemble in STUDY.probabilistic_methods
    if not (predicts and STUDY.restoration.keep):
        return []
    return ["results/calibration/{ensemble}/conformal.json"]


def tuning_dataset(wildcards):
    """The dataset whose patches tune baselines for this one: itself, if a model trains on it."""
    dataset = wildcards.dataset
    if dataset in STUDY.patched_datasets:
        return dataset
    return next(STUDY.models_tested_on(dataset)).patches_of


def of_tuning_dataset(pattern):
    return lambda wildcards: pattern.format(dataset=tuning_dataset(wildcards))


def percentiles_of(dataset):
    """Percentiles of an image that are 0 and 1 for networks trained on the dataset."""
    return list(STUDY.datasets[dataset].patches.percentiles)


def tuning_voxel_size(wildcards):
    """Size of a voxel of the dataset that tunes: micrometres as a list, or None."""
    size = STUDY.datasets[tuning_dataset(wildcards)].voxel_size
    return size and list(size)


def baseline_memory(wildcards, input, threads, attempt):
    """Memory in MB: one volume per thread if the method needs it as a whole."""
    # Measured: methods that work on blocks take 15 MB per thread, imports 90 MB
    bytes_per_voxel = BASELINES[wildcards.baseline].bytes_per_voxel
    per_thread = 50 + bytes_per_voxel * largest_test_volume(input.volumes) / 1e6
    return int((300 + per_thread * threads) * attempt)


def largest_test_volume(volumes):
    """Its voxels. While the folder is missing, the error makes Snakemake ask again later."""
    os.stat(volumes)
    with open(Path(volumes, "volumes.csv"), newline="") as file:
        shapes = [row["shape"] for row in csv.DictReader(file) if row["part"] == "test"]
    return max(math.prod(map(int, shape.split("x"))) for shape in shapes)


def kept_restorations():
    """Restored volumes, if the config keeps them."""
    if not STUDY.restoration.keep:
        return []
    networks = [
        f"results/restored/{method}/{dataset}"
        for model in STUDY.models.values()
        for dataset in model.tested_on
        for method in model.methods
    ]
    return networks + expand(
        "results/restored/{baseline}/{dataset}",
        baseline=STUDY.baselines,
        dataset=STUDY.tested_datasets,
    )


def whole_study():
    """All that a study with models leaves."""
    return [
        "results/scores.csv",
        "results/provenance.json",
        *all_tables(),
        *all_figures(),
        *kept_restorations(),
    ]


# evaluate.smk


def restored_volumes(wildcards):
    """Restorations of a method; the input has nothing but its volumes."""
    if wildcards.method == INPUT:
        return []
    return f"results/restored/{wildcards.method}/{wildcards.dataset}"


def of_runs_behind(pattern):
    """A path for each run that the method of the wildcards consists of."""
    return lambda wildcards: expand(pattern, run=STUDY.runs_behind(wildcards.method))


def threads_per_volume(wildcards):
    """One thread for simulated volumes, which are so small that more would gain nothing."""
    return 1 if dataset_of(wildcards).is_simulated else 4


def scored_as(wildcards):
    """The columns of a score that name the test set and the method: a run's model and seed, an
    ensemble, an output.
    """
    method = wildcards.method
    tested = {"tested_on": wildcards.dataset}
    if method in STUDY.runs:
        run = STUDY.runs[method]
        seed = "" if STUDY.pretrained(run.name) else run.seed
        columns = {"model": run.model, "seed": seed}
    elif method in STUDY.ensembles:
        columns = {"model": method, "seed": ""}
    else:
        return {"model": "", "seed": "", "trained_on": "", "output": method, **tested}
    model = STUDY.ensembles.get(columns["model"], columns["model"])
    trained_on = STUDY.models[model].trained_on
    return {**columns, "trained_on": trained_on, "output": "network", **tested}


def restored_by_example(wildcards):
    run = STUDY.example_run(wildcards.dataset)
    return f"results/restored/{run}/{wildcards.dataset}"


def restored_truth(wildcards):
    """The clean stacks restored by the example's run, if the 2019 study took them for its input."""
    if wildcards.dataset not in SWAPPED_IN_2019:
        return []
    run = STUDY.example_run(wildcards.dataset)
    return f"results/restored_truth/{run}/{wildcards.dataset}"


def restored_by_baselines(wildcards):
    """Restorations of a test set by every baseline, of which figure 2 shows the strongest."""
    return expand("results/restored/{baseline}/{{dataset}}", baseline=STUDY.baselines)


def choices_of_baselines(wildcards):
    """How every baseline was tuned for a test set."""
    return expand(
        "results/baselines/{baseline}/{dataset}.json",
        baseline=STUDY.baselines,
        dataset=tuning_dataset(wildcards),
    )


def voxel_size(wildcards):
    """Size of a voxel in micrometres as a list, or None."""
    size = dataset_of(wildcards).voxel_size
    return size and list(size)


# report.smk


def inputs_of(product):
    """The files that a table or figure reads, by name."""
    resources = product.published or {}
    return product.inputs(STUDY) | {
        name: shipped(file) for name, file in resources.items()
    }


def table_inputs(wildcards):
    return inputs_of(TABLES[wildcards.table])


def figure_inputs(wildcards):
    return inputs_of(FIGURES[wildcards.figure])


def caption_of(kind, product):
    """The caption of a table or figure, whose words depend on the study, and the study's note.

    The note speaks of the study's own numbers, so that published records go without it.
    """
    text = (WORKFLOW / "report" / kind / f"{product.script_name}.rst").read_text()
    caption = jinja2.Template(text).render(
        study=STUDY,
        product=product,
        over_trainings=OVER_TRAININGS if STUDY.ensembles else "",
        two_trainings=f" {TWO_TRAININGS}" if STUDY.trains_once else "",
    )
    return caption if is_record(product) else f"{caption}\n\n{STUDY.note}".strip()


def new_images(wildcards):
    """The images that the config names; the script says what is wrong if there are none.

    Names that Snakemake would take for wildcards are left to the script, which restores them too.
    """
    if not STUDY.restore:
        raise WorkflowError("The config has no restore, so there are no new images.")
    try:
        found = find_images(STUDY.restore.images, STUDY.restore.output)
    except ValueError:
        return []
    return [str(path) for path in found.values() if wildcard(str(path)) is None]


def runs_for_new_images():
    """The runs behind the model, if it is one of this study."""
    model = STUDY.restore.model
    is_ours = model in {*STUDY.models, *STUDY.runs, *STUDY.ensembles}
    return STUDY.runs_behind(model) if is_ours else []


def folders_for_new_images():
    """The model folders: of the runs behind a name of this study, or one made elsewhere."""
    runs = runs_for_new_images()
    return expand("results/models/{run}", run=runs) or [STUDY.restore.model]


def models_for_new_images(wildcards):
    """Files of the model folders, whichever they are."""
    runs = runs_for_new_images()
    names = ["config.json", "weights_best.h5", "training.json"]
    ours = expand("results/models/{run}/{name}", run=runs, name=names)
    return ours or files_of_network(STUDY.restore.model)
