# Needs: test volumes and model folders. Makes: restored volumes, by networks and by non-local means.


rule restore:
    """Restore every test volume of a dataset, in all its conditions, with one model."""
    input:
        volumes="results/volumes/{dataset}",
        config="results/models/{model}/config.json",
        weights="results/models/{model}/weights_best.h5",
    output:
        restored=keep_if_asked(directory("results/restored/{model}/{dataset}")),
    log:
        "logs/restore/{model}/{dataset}.log",
    benchmark:
        "benchmarks/restore/{model}/{dataset}.tsv"
    conda:
        "../../envs/care.yaml"
    threads: 8
    resources:
        gpu=1,
        mem_mb=8000,
    params:
        conditions=condition_names,
        device=untracked(STUDY["device"]),
        max_tile_voxels=untracked(STUDY["restoration"]["max_tile_voxels"]),
        code=code_version("restore.py"),
    script:
        "../scripts/restore.py"


rule baseline:
    """Restore every test volume of a dataset by non-local means."""
    input:
        volumes="results/volumes/{dataset}",
    output:
        restored=keep_if_asked(directory("results/restored/nlm/{dataset}")),
    log:
        "logs/baseline/{dataset}.log",
    benchmark:
        "benchmarks/baseline/{dataset}.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 4
    resources:
        # one volume a thread: 43 bytes a voxel, 4.3 GB for a published planaria volume
        mem_mb=lambda wildcards, threads: 5000 * threads,
    params:
        conditions=condition_names,
        baseline=STUDY["baseline"],
        code=code_version("baseline.py"),
    script:
        "../scripts/baseline.py"
