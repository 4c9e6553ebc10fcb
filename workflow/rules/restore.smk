# Needs: test volumes and model folders. Makes: restored volumes, by networks, their means and classical baselines.


scattergather:
    slabs=STUDY.restoration.jobs,


rule restore:
    """Restore every test volume of a dataset, in all its conditions, with the model of one run."""
    input:
        volumes="results/volumes/{dataset}",
        config="results/models/{run}/config.json",
        weights="results/models/{run}/weights_best.h5",
    output:
        restored=keep_if_asked(directory("results/restored/{run}/{dataset}")),
        runtime="results/runtimes/{run}/{dataset}.json",
    log:
        "logs/restore/{run}/{dataset}.log",
    benchmark:
        "benchmarks/restore/{run}/{dataset}.tsv"
    wildcard_constraints:
        run=one_of([] if in_slabs() else STUDY.runs),
    conda:
        "../../envs/care.yaml"
    threads: 8
    resources:
        gpu=GPUS,
        mem_mb=growing(8000),
    params:
        conditions=condition_names,
        device=untracked(STUDY.device),
        memory_growth=untracked(STUDY.compute.memory_growth),
        max_tile_voxels=untracked(STUDY.restoration.max_tile_voxels),
        storage=storage(),
        compression=untracked(STUDY.restoration.compression),
        code=code_version("restore.py"),
    script:
        "../scripts/restore.py"


use rule restore as restore_truth with:
    # The clean stacks, restored as if they were noisy: what the 2019 study did with its swapped test set
    output:
        restored=keep_if_asked(directory("results/restored_truth/{run}/{dataset}")),
        runtime=temp("results/restored_truth/{run}/{dataset}.json"),
    log:
        "logs/restore_truth/{run}/{dataset}.log",
    benchmark:
        "benchmarks/restore_truth/{run}/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(SWAPPED_IN_2019),
    params:
        conditions=["truth"],


use rule restore as restore_slab with:
    # One of the jobs that share a restoration: a slab of every volume
    output:
        restored=temp(directory("results/slabs/{run}/{dataset}/{scatteritem}")),
        runtime=temp("results/slabs/{run}/{dataset}/{scatteritem}.json"),
    log:
        "logs/restore_slab/{run}/{dataset}/{scatteritem}.log",
    benchmark:
        "benchmarks/restore_slab/{run}/{dataset}/{scatteritem}.tsv"
    wildcard_constraints:
        run=one_of(STUDY.runs),
    params:
        # As they are computed, and mapped into memory by the rule below
        storage={"format": "tiff", "dtype": "float32"},
        compression=False,


rule gather_slabs:
    """Join what the jobs that share a restoration made."""
    input:
        volumes="results/volumes/{dataset}",
        slabs=gather.slabs("results/slabs/{{run}}/{{dataset}}/{scatteritem}"),
        runtimes=gather.slabs("results/slabs/{{run}}/{{dataset}}/{scatteritem}.json"),
    output:
        restored=keep_if_asked(directory("results/restored/{run}/{dataset}")),
        runtime="results/runtimes/{run}/{dataset}.json",
    log:
        "logs/gather_slabs/{run}/{dataset}.log",
    benchmark:
        "benchmarks/gather_slabs/{run}/{dataset}.tsv"
    wildcard_constraints:
        run=one_of(STUDY.runs if in_slabs() else []),
    conda:
        "../../envs/data.yaml"
    threads: 4
    resources:
        mem_mb=growing(1000),
    params:
        conditions=condition_names,
        storage=storage(),
        compression=untracked(STUDY.restoration.compression),
        code=code_version("gather_slabs.py"),
    script:
        "../scripts/gather_slabs.py"


rule ensemble:
    """Average what the runs of one model restored, volume by volume."""
    input:
        runs=restored_by_runs,
    output:
        restored=keep_if_asked(directory("results/restored/{ensemble}/{dataset}")),
    log:
        "logs/ensemble/{ensemble}/{dataset}.log",
    benchmark:
        "benchmarks/ensemble/{ensemble}/{dataset}.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 4
    resources:
        # a plane of each run, and what compresses
        mem_mb=growing(1000),
    params:
        storage=storage(),
        compression=untracked(STUDY.restoration.compression),
        code=code_version("ensemble.py"),
    script:
        "../scripts/ensemble.py"


rule tune_baseline:
    """Choose the strength of one classical baseline on validation patches."""
    input:
        X=of_tuning_dataset("results/patches/{dataset}/X.npy"),
        Y=of_tuning_dataset("results/patches/{dataset}/Y.npy"),
        split=lambda wildcards: splits_of(tuning_dataset(wildcards))[0],
    output:
        choice="results/baselines/{baseline}/{dataset}.json",
    log:
        "logs/tune_baseline/{baseline}/{dataset}.log",
    benchmark:
        "benchmarks/tune_baseline/{baseline}/{dataset}.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
    params:
        tuned_on=tuning_dataset,
        voxel_size=tuning_voxel_size,
        seed=STUDY.seed,
        code=code_version("tune_baseline.py"),
    script:
        "../scripts/tune_baseline.py"


rule baseline:
    """Restore every test volume of a dataset by one classical baseline, as tuned."""
    input:
        volumes="results/volumes/{dataset}",
        choice="results/baselines/{baseline}/{dataset}.json",
    output:
        restored=keep_if_asked(directory("results/restored/{baseline}/{dataset}")),
        runtime="results/runtimes/{baseline}/{dataset}.json",
    log:
        "logs/baseline/{baseline}/{dataset}.log",
    benchmark:
        "benchmarks/baseline/{baseline}/{dataset}.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 4
    resources:
        mem_mb=baseline_memory,
    params:
        conditions=condition_names,
        storage=storage(),
        compression=untracked(STUDY.restoration.compression),
        code=code_version("baseline.py"),
    script:
        "../scripts/baseline.py"
