# Needs: patches and splits. Makes: csbdeep model folders with their history.


rule train:
    """Train one model: csbdeep's CARE, on the device that the config asks for."""
    input:
        X=of_trained_dataset("results/patches/{dataset}/X.npy"),
        Y=of_trained_dataset("results/patches/{dataset}/Y.npy"),
        split=split_of_model,
    output:
        config="results/models/{model}/config.json",
        weights="results/models/{model}/weights_best.h5",
        history="results/models/{model}/history.csv",
    log:
        "logs/train/{model}.log",
    benchmark:
        "benchmarks/train/{model}.tsv"
    conda:
        "../../envs/care.yaml"
    threads: 8
    resources:
        gpu=1,
        mem_mb=8000,
    params:
        model=lambda wildcards: MODELS[wildcards.model],
        device=untracked(STUDY["device"]),
        code=code_version("train.py"),
    script:
        "../scripts/train.py"
