# Functions that find inputs and params for the rules of train.smk, restore.smk and new_images.smk, in this order.


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


def network_folder(run):
    """The folder of the network made elsewhere that a run is, or begins with; None without one."""
    model = STUDY.models[STUDY.runs[run].model]
    start = model.training.start_from
    return model.pretrained or (None if start in STUDY.models else start)


def network_files(wildcards):
    """The files of the run's network made elsewhere, if it has one."""
    folder = network_folder(wildcards.run)
    return list(map(str, files_of_network(Path(folder)))) if folder else []


def network_checksums(wildcards):
    """By these its changes show: files that were touched or copied change nothing."""
    return [sha256_of(Path(file)) for file in network_files(wildcards)]


def files_taken_over(wildcards):
    """As `network_files`, or an error for a run that is trained: see `nothing_but_a_url`."""
    if wildcards.run in STUDY.trainings:
        raise ValueError(f"{wildcards.run} is trained")
    return network_files(wildcards)


def runs_from_folders():
    """The trainings that begin with a network made elsewhere."""
    return [run for run in STUDY.trainings if network_folder(run)]


def networks_checked():
    """What says that the weights of each network made elsewhere fit it."""
    taken_over = [run for run in STUDY.runs if run not in STUDY.trainings]
    return [
        *expand("results/models/{run}/training.json", run=taken_over),
        *expand("results/checks/starts/{run}.txt", run=runs_from_folders()),
    ]


def check_of_start(wildcards):
    is_from_folder = network_folder(wildcards.run) is not None
    return f"results/checks/starts/{wildcards.run}.txt" if is_from_folder else []


def model_to_start_from(wildcards):
    """The files of the study's model that the training begins with, if it begins with one."""
    start = training_of(wildcards).start_from
    if start not in STUDY.models:
        return []
    folder = f"results/models/{STUDY.runs_behind(start)[0]}"
    return [f"{folder}/config.json", f"{folder}/weights_best.h5"]


def until_replaced(path):
    """An output that stays while a new one is made, where results are local files.

    Snakemake takes it for new if the job fails, so the rule needs another output beside it.
    """
    stored = workflow.storage_settings.default_storage_provider
    return path if stored else update(path)


def leaks_of_run(wildcards):
    """What says that the run was not trained on the test set."""
    trained_on = STUDY.models[STUDY.runs[wildcards.run].model].trained_on
    return leaks_checked(trained_on, wildcards.dataset)


def volumes_of_channels(wildcards):
    """The volumes that a network of several channels takes together, in its order."""
    channels = STUDY.models[STUDY.runs[wildcards.run].model].channels
    return expand("results/volumes/{dataset}", dataset=channels)


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
    crate = ["results/ro-crate-metadata.json", "results/code"]
    return [*finished_study(), *crate, *kept_restorations()]


def finished_study():
    """All that the study's record is about, but for restorations, which are scored by then."""
    return [
        "results/scores.csv",
        "results/provenance.json",
        "results/README.md",
        "results/findings.html",
        *all_tables(),
        *all_figures(),
        *expand("results/viewers/{dataset}.html", dataset=STUDY.tested_datasets),
    ]


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
    return ours or list(map(str, files_of_network(Path(STUDY.restore.model))))
