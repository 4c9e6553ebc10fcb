# Needs: test volumes and model folders.
# Makes: volumes restored by networks, by ensembles and by classical baselines.


scattergather:
    slabs=STUDY.restoration.jobs,


rule restore:
    """Restore every test volume of a dataset, in all conditions, with the network of one run."""
    input:
        volumes="results/volumes/{dataset}",
        channels=volumes_of_channels,
        config="results/models/{run}/config.json",
        weights="results/models/{run}/weights_best.h5",
        leaks=ancient(leaks_of_run),
        training="results/models/{run}/training.json",
    output:
        restored=keep_if_asked(directory("results/restored/{run}/{dataset}")),
        runtime="results/runtimes/{run}/{dataset}.json",
    log:
        "logs/restore/{run}/{dataset}.log",
    benchmark:
        "benchmarks/restore/{run}/{dataset}.tsv"
    wildcard_constraints:
        run=any_of([] if in_slabs() else STUDY.runs),
    conda:
        "../../envs/care.yaml"
    threads: STUDY.compute.threads
    resources:
        gpu=gpus,
        mem_mb=growing(8000),
    params:
        conditions=condition_names,
        percentiles=lambda wildcards: percentiles_of(
            STUDY.training_of(STUDY.runs[wildcards.run].model).trained_on
        ),
        device=untracked(STUDY.device),
        memory_growth=untracked(STUDY.compute.memory_growth),
        max_tile_voxels=untracked(STUDY.restoration.max_tile_voxels),
        storage=storage(),
        compression=untracked(STUDY.restoration.compression),
        code=code_version("restore.py"),
    script:
        "../scripts/restore.py"


use rule restore as restore_truth with:
    # Restores the clean stacks as if they were noisy, as the 2019 study did with its swapped set
    output:
        restored=keep_if_asked(directory("results/restored_truth/{run}/{dataset}")),
        runtime=temp("results/restored_truth/{run}/{dataset}.json"),
    log:
        "logs/restore_truth/{run}/{dataset}.log",
    benchmark:
        "benchmarks/restore_truth/{run}/{dataset}.tsv"
    wildcard_constraints:
        dataset=any_of(SWAPPED_IN_2019),
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
        run=any_of(STUDY.runs),
    params:
        # Plain float32, which the rule below maps into memory
        storage={"format": "tiff", "dtype": "float32"},
        compression=False,


rule gather_slabs:
    """Join the slabs of the jobs that share a restoration."""
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
        run=any_of(STUDY.runs if in_slabs() else []),
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
    """Average the restorations by the runs of one model, volume by volume, with intervals of 95 %."""
    input:
        runs=restored_by_runs,
        factors=factors_of_intervals,
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
        # One plane per run, and the compressor
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
        description=of_tuning_dataset("results/patches/{dataset}/patches.json"),
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
        percentiles=lambda wildcards: percentiles_of(tuning_dataset(wildcards)),
        seed=STUDY.seed,
        code=code_version("tune_baseline.py"),
    script:
        "../scripts/tune_baseline.py"


rule baseline:
    """Restore every test volume of a dataset with one classical baseline at its tuned strength."""
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
    threads: threads_per_volume
    resources:
        mem_mb=baseline_memory,
    params:
        conditions=condition_names,
        storage=storage(),
        compression=untracked(STUDY.restoration.compression),
        code=code_version("baseline.py"),
    script:
        "../scripts/baseline.py"
