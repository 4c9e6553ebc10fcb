# Functions that find inputs and params for the rules of data.smk and check.smk.


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


def nothing_but_a_url(wildcards):
    """No file, or an error for a dataset without a URL.

    Where results are in a bucket, Snakemake overlooks a rule's constraints on wildcards, and tries
    the rule for every dataset.
    """
    if wildcards.dataset not in datasets_from("url"):
        raise ValueError(f"{wildcards.dataset} is not fetched")
    return []


def local_archive(wildcards):
    return os.path.normpath(dataset_of(wildcards).source.path)


def archive_of(wildcards):
    """The archive: the user's own, or the one that was simulated or fetched."""
    if wildcards.dataset in datasets_from("path"):
        return local_archive(wildcards)
    return f"results/archives/{wildcards.dataset}.tar.gz"


def published_of_archive(wildcards):
    """What is published of the archive's volumes and patches; None of an archive that is not."""
    dataset = dataset_of(wildcards)
    with open(RESOURCES / "published_volumes.csv", newline="") as file:
        rows = {row["organism"]: row for row in csv.DictReader(file)}
    return rows.get(dataset.published) if dataset.is_archive else None


def sizes_in_archive(wildcards):
    """Bytes of a local archive, or of the files in its folder, by which a change shows."""
    path = Path(local_archive(wildcards))
    files = folder_files(path) if path.is_dir() else {"": path}
    return {name: file.stat().st_size for name, file in files.items()}


if workflow.is_main_process:
    for name in datasets_from("path"):
        archive = STUDY.datasets[name].source
        if not os.path.exists(archive.path):
            refuse(
                f"datasets.{name}.archive.path is {archive.path}, where there is no file or folder; "
                "correct it."
            )
        if archive.sha256 and Path(archive.path).is_dir():
            refuse(
                f"datasets.{name}.archive.sha256 is given, but {archive.path} is a folder, which has "
                "no checksum; remove sha256, or give the tar file as path."
            )


@functools.cache
def image_pairs(dataset):
    pairs = STUDY.datasets[dataset].source
    try:
        return match_pairs(pairs.low, pairs.high)
    except ValueError as error:
        refuse(f"datasets.{dataset}.{error}")


# Before any job; raised by the input of a rule it would be a traceback
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


def patches_cut(wildcards):
    """The shape of the patches that are cut from the dataset; none if none are."""
    dataset = dataset_of(wildcards)
    are_cut = dataset.name in STUDY.patched_datasets
    return list(dataset.patches.shape) if are_cut else []


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
