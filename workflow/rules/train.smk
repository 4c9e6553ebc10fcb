# Needs: patches and splits. Makes: csbdeep model folders with their history.


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
    output:
        config=until_replaced("results/models/{run}/config.json"),
        weights=until_replaced("results/models/{run}/weights_best.h5"),
        history=until_replaced("results/models/{run}/history.csv"),
        training="results/models/{run}/training.json",
    log:
        "logs/train/{run}.log",
    benchmark:
        "benchmarks/train/{run}.tsv"
    conda:
        "../../envs/care.yaml"
    threads: STUDY.compute.threads
    resources:
        gpu=gpus,
        mem_mb=growing(8000),
    params:
        model=training_settings,
        device=untracked(STUDY.device),
        compute=untracked(dict(vars(STUDY.compute))),
        tensorboard=untracked(STUDY.tensorboard),
        checkpoints="results/checkpoints/{run}",
        code=code_version("train.py"),
    script:
        "../scripts/train.py"
