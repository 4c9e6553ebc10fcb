# Needs: a model folder, of this study or made elsewhere, and images. Makes: their restorations. A study
# that has no `restore` has no target `restored`.


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
    """Files of the model folders: those of this study, whose training makes them."""
    runs = runs_for_new_images()
    names = ["config.json", "weights_best.h5", "training.json"]
    return expand("results/models/{run}/{name}", run=runs, name=names)


def check_model_for_new_images():
    """Refuse a model that is neither one of this study nor a csbdeep model folder."""
    model = STUDY.restore.model
    folder = Path(model).absolute()
    files = {"config.json": "config.json", "weights": "*.h5"}
    missing = [name for name, pattern in files.items() if not any(folder.glob(pattern))]
    if missing and not runs_for_new_images():
        raise WorkflowError(
            f"restore.model is {model}, which is no model of this study "
            f"({', '.join(STUDY.models) or 'which has none'}) and no csbdeep model folder: {folder} "
            f"has no {' and no '.join(missing)}."
        )


if workflow.is_main_process and STUDY.restore:
    check_model_for_new_images()


rule restore_images:
    """Restore new images with a network, each of them once.

    The restorations are no outputs, because Snakemake would remove all of them before it
    restores one that is new. Images that were restored alike before are left as they are.
    """
    input:
        images=new_images,
        models=models_for_new_images,
    output:
        table="results/new_images.csv",
    log:
        "logs/restore_images.log",
    benchmark:
        "benchmarks/restore_images.tsv"
    conda:
        "../../envs/care.yaml"
    threads: STUDY.compute.threads
    resources:
        gpu=gpus,
        mem_mb=growing(8000),
    params:
        wish=STUDY.restore and dict(vars(STUDY.restore)),
        folders=lambda wildcards: folders_for_new_images(),
        device=untracked(STUDY.device),
        memory_growth=untracked(STUDY.compute.memory_growth),
        max_tile_voxels=untracked(STUDY.restoration.max_tile_voxels),
        code=code_version("restore_images.py"),
    script:
        "../scripts/restore_images.py"


if STUDY.restore:

    rule restored:
        """New images, restored."""
        input:
            "results/new_images.csv",
