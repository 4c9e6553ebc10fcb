# Needs: patches and splits, or networks made elsewhere. Makes: csbdeep model folders.


rule train:
    """Train one model with one seed: csbdeep's CARE, on the device that the config names.

    A training that was killed continues from its last checkpoint. Checkpoints are no output,
    because Snakemake removes the outputs of a job that fails. An earlier model stays until this one
    is written; training.json goes at once, so that it is never taken for this one.
    """
    input:
        X=of_training("results/patches/{dataset}/X.npy"),
        Y=of_training("results/patches/{dataset}/Y.npy"),
        description=of_training("results/patches/{dataset}/patches.json"),
        split=of_training("results/splits/{dataset}/{split}.csv"),
        start=model_to_start_from,
        start_folder=ancient(network_files),
        start_checked=check_of_start,
    output:
        config=until_replaced("results/models/{run}/config.json"),
        weights=until_replaced("results/models/{run}/weights_best.h5"),
        history=until_replaced("results/models/{run}/history.csv"),
        training="results/models/{run}/training.json",
    log:
        "logs/train/{run}.log",
    benchmark:
        "benchmarks/train/{run}.tsv"
    wildcard_constraints:
        run=any_of(STUDY.trainings),
    conda:
        "../../envs/care.yaml"
    threads: STUDY.compute.threads
    resources:
        gpu=gpus,
        mem_mb=growing(8000),
    params:
        model=training_settings,
        start=network_checksums,
        device=untracked(STUDY.device),
        compute=untracked(dict(vars(STUDY.compute))),
        tensorboard=untracked(STUDY.tensorboard),
        checkpoints="results/checkpoints/{run}",
        code=code_version("train.py"),
    script:
        "../scripts/train.py"


rule take_over:
    """Copy a network made elsewhere, once its weights are seen to fit it; before all other jobs."""
    input:
        files=ancient(files_taken_over),
    output:
        config="results/models/{run}/config.json",
        weights="results/models/{run}/weights_best.h5",
        training="results/models/{run}/training.json",
    log:
        "logs/take_over/{run}.log",
    benchmark:
        "benchmarks/take_over/{run}.tsv"
    wildcard_constraints:
        run=any_of(run for run in STUDY.runs if run not in STUDY.trainings),
    priority: 20
    conda:
        "../../envs/care.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
    params:
        folder=lambda wildcards: network_folder(wildcards.run),
        sha256=network_checksums,
        code=code_version("take_over.py"),
    script:
        "../scripts/take_over.py"


rule check_start:
    """See that the weights fit of a network made elsewhere from which a training begins."""
    input:
        files=ancient(network_files),
    output:
        touch("results/checks/starts/{run}.txt"),
    log:
        "logs/check_start/{run}.log",
    wildcard_constraints:
        run=any_of(runs_from_folders()),
    priority: 20
    conda:
        "../../envs/care.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
    params:
        folder=lambda wildcards: network_folder(wildcards.run),
        # No code version, because an edit to the code must not train again
        sha256=network_checksums,
    script:
        "../scripts/check_start.py"
