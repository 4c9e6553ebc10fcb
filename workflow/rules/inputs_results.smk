# Functions that find inputs and params for the rules of evaluate.smk, report.smk and export.smk, in this order.


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


def restored_by_viewed(wildcards):
    """Restorations of a test set by the networks that its viewer shows."""
    runs = viewed_runs(STUDY, wildcards.dataset)
    return expand("results/restored/{run}/{{dataset}}", run=runs)


def scores_of_viewed(wildcards):
    """Scores of what the viewer may show: input, every baseline, and its networks."""
    methods = [INPUT, *STUDY.baselines, *viewed_runs(STUDY, wildcards.dataset)]
    return expand("results/scores/{method}/{{dataset}}.csv", method=methods)


def viewer_shown(wildcards):
    """Organism, conditions and models that a viewer shows."""
    place = {"place": categories.ORDER.index(categories.IMAGES)}
    scores = expand(scores_of_viewed(wildcards), dataset=wildcards.dataset)
    return place | categories.shown({"scores": scores}, STUDY)


def template(name):
    """A page without data; it is never in the storage that may hold results."""
    return local(str(WORKFLOW / "report" / name))


def viewer_caption(wildcards):
    """What the viewer shows, and the study's note."""
    text = (WORKFLOW / "report" / "viewer.rst").read_text(encoding="utf-8")
    caption = jinja2.Template(text).render(dataset=dataset_of(wildcards))
    return f"{caption}\n\n{STUDY.note}".strip()


def voxel_size(wildcards):
    """Size of a voxel in micrometres as a list, or None."""
    size = dataset_of(wildcards).voxel_size
    return size and list(size)


def archive_checksums():
    """The checksum that the config gives for each archive."""
    return {
        name: dataset.source.sha256
        for name, dataset in STUDY.datasets.items()
        if dataset.is_archive
    }


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


def category_of(product):
    """The folder of the report in which a table or figure stands."""
    return categories.category_in(STUDY, product.category)


def labels_of(product, kind):
    """How a table or figure is named in its folder of the report.

    One label only: Snakemake's page makes a switch of a second label that halves a list, and ends
    empty where the halves do not match. The first page lists what `shown_in` says.
    """
    return {"what": f"{product.title} ({kind})"}


def shown_in(product):
    """Organisms, conditions and models that a table or figure shows, and its place in the list."""
    names = {"organism": "planaria, tribolium", "model": "2019 study", "condition": ""}
    if not is_record(product):
        names = categories.shown(product.inputs(STUDY), STUDY)
    return names | {"place": categories.ORDER.index(category_of(product))}


def caption_of(kind, product):
    """The caption of a table or figure, whose words depend on the study, and the study's note.

    The note speaks of the study's own numbers, so that published records go without it.
    """
    text = (WORKFLOW / "report" / kind / f"{product.script_name}.rst").read_text(
        encoding="utf-8"
    )
    caption = jinja2.Template(text).render(
        study=STUDY,
        product=product,
        over_trainings=OVER_TRAININGS if STUDY.ensembles else "",
        two_trainings=f" {TWO_TRAININGS}" if STUDY.trains_once else "",
    )
    return caption if is_record(product) else f"{caption}\n\n{STUDY.note}".strip()


def rules_described():
    """What each rule does, the names of its conda environment and of the file it stands in."""
    return {
        known.name: {
            "text": " ".join((known.docstring or "").split()),
            "environment": Path(str(known.conda_env or "")).name,
            "file": Path(str(known.snakefile)).name,
        }
        for known in workflow.rules
    }


def exported_model(wildcards):
    return STUDY.models[STUDY.runs[wildcards.run].model]


def volumes_of_sample(wildcards):
    """The test volumes one of which goes with the network, for each channel that it takes."""
    model = exported_model(wildcards)
    datasets = model.channels or model.tested_on[:1]
    return expand("results/volumes/{dataset}", dataset=datasets)


def scores_of_passport(wildcards):
    """Scores of the run, of the input and of every baseline, on the run's test sets."""
    tested_on = exported_model(wildcards).tested_on
    own = expand("results/scores/{{run}}/{dataset}.csv", dataset=tested_on)
    return own + products.score_files(STUDY, [], tested_on)


def calibration_of_passport(wildcards):
    """Calibrations of the run, if its network predicts the scale of its error."""
    model = exported_model(wildcards)
    datasets = model.tested_on if model.is_calibrated else []
    return expand("results/calibration/{{run}}/{dataset}.csv", dataset=datasets)


def records_of_passport(wildcards):
    """What the images are that the run was trained and tested on."""
    model = exported_model(wildcards)
    datasets = dict.fromkeys([model.patches_of, *model.tested_on])
    return expand("results/archives/{dataset}.json", dataset=datasets)
