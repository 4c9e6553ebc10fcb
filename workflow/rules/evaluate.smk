# Needs: test volumes and restorations; for conformal factors patches, splits and model folders.
# Makes: scores of images and of their nuclei, calibration, the ladder between protocols, and the
# example sections of figure 2.


rule evaluate:
    """Score one method's restorations of one test set under every protocol."""
    input:
        volumes="results/volumes/{dataset}",
        restored=restored_volumes,
    output:
        scores="results/scores/{method}/{dataset}.csv",
    log:
        "logs/evaluate/{method}/{dataset}.log",
    benchmark:
        "benchmarks/evaluate/{method}/{dataset}.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: threads_per_volume
    resources:
        # Volumes are memory maps, so their size does not matter: 175 MB measured, 95 x 1024 x 1024
        mem_mb=growing(1000),
    params:
        conditions=condition_names,
        protocols=list(STUDY.protocols),
        stratum=lambda wildcards: dataset_of(wildcards).stratum,
        scored=scored_as,
        code=code_version("evaluate.py"),
    script:
        "../scripts/evaluate.py"


rule objects:
    """Score the nuclei that one method shows on one test set, against the true ones."""
    input:
        volumes="results/volumes/{dataset}",
        restored=restored_volumes,
    output:
        scores="results/nuclei/{method}/{dataset}.csv",
        curves="results/nuclei_curves/{method}/{dataset}.csv",
    log:
        "logs/objects/{method}/{dataset}.log",
    benchmark:
        "benchmarks/objects/{method}/{dataset}.tsv"
    wildcard_constraints:
        dataset=any_of(STUDY.datasets_with_nuclei),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        # Measured: 120 MB on the default study, 1500 MB on 95 x 1024 x 1024
        mem_mb=growing(2000),
    params:
        conditions=condition_names,
        diameter=lambda wildcards: dataset_of(wildcards).nuclei.diameter,
        contrast=lambda wildcards: dataset_of(wildcards).nuclei.contrast,
        are_known=lambda wildcards: dataset_of(wildcards).is_simulated,
        voxel_size=voxel_size,
        stratum=lambda wildcards: dataset_of(wildcards).stratum,
        scored=scored_as,
        code=code_version("objects.py"),
    script:
        "../scripts/objects.py"


rule resolution:
    """Measure how fine the details are that one method shows rightly, and how much of them."""
    input:
        volumes="results/volumes/{dataset}",
        restored=restored_volumes,
    output:
        curves="results/resolution/{method}/{dataset}.csv",
        scores="results/resolution_scores/{method}/{dataset}.csv",
    log:
        "logs/resolution/{method}/{dataset}.log",
    benchmark:
        "benchmarks/resolution/{method}/{dataset}.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        # Volumes are read block by block: 330 MB measured with 95 x 1024 x 1024
        mem_mb=growing(1000),
    params:
        conditions=condition_names,
        voxel_size=voxel_size,
        stratum=lambda wildcards: dataset_of(wildcards).stratum,
        scored=scored_as,
        code=code_version("resolution.py"),
    script:
        "../scripts/resolution.py"


rule gather_scores:
    """Gather all scores in one tidy table."""
    input:
        products.score_files(STUDY, STUDY.models, STUDY.tested_datasets),
        products.nuclei_files(STUDY, STUDY.models),
        products.resolution_files(STUDY, "resolution_scores"),
    output:
        scores="results/scores.csv",
    log:
        "logs/gather_scores.log",
    benchmark:
        "benchmarks/gather_scores.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
    params:
        code=code_version("gather_scores.py"),
    script:
        "../scripts/gather_scores.py"


rule conformal:
    """Find the factors by which the predicted intervals of a run or an ensemble hold the truth of
    validation patches as often as they say.
    """
    input:
        X=of_training("results/patches/{dataset}/X.npy"),
        Y=of_training("results/patches/{dataset}/Y.npy"),
        description=of_training("results/patches/{dataset}/patches.json"),
        split=of_training("results/splits/{dataset}/{split}.csv"),
        configs=of_runs_behind("results/models/{run}/config.json"),
        weights=of_runs_behind("results/models/{run}/weights_best.h5"),
        training=of_runs_behind("results/models/{run}/training.json"),
    output:
        factors="results/calibration/{method}/conformal.json",
    log:
        "logs/conformal/{method}.log",
    benchmark:
        "benchmarks/conformal/{method}.tsv"
    wildcard_constraints:
        method=any_of(STUDY.probabilistic_methods),
    conda:
        "../../envs/care.yaml"
    threads: STUDY.compute.threads
    resources:
        gpu=gpus,
        mem_mb=growing(8000),
    params:
        device=untracked(STUDY.device),
        memory_growth=untracked(STUDY.compute.memory_growth),
        code=code_version("conformal.py"),
    script:
        "../scripts/conformal.py"


rule calibrate:
    """Compare the error that a run or an ensemble predicts with the one it makes, on one test set."""
    input:
        volumes="results/volumes/{dataset}",
        restored=of_runs_behind("results/restored/{run}/{{dataset}}"),
        factors="results/calibration/{method}/conformal.json",
    output:
        calibration="results/calibration/{method}/{dataset}.csv",
    log:
        "logs/calibrate/{method}/{dataset}.log",
    benchmark:
        "benchmarks/calibrate/{method}/{dataset}.tsv"
    wildcard_constraints:
        method=any_of(STUDY.probabilistic_methods),
    conda:
        "../../envs/analysis.yaml"
    threads: threads_per_volume
    resources:
        # As for `evaluate`: 140 MB measured, 270 MB for an ensemble of three
        mem_mb=growing(1000),
    params:
        conditions=condition_names,
        code=code_version("calibrate.py"),
    script:
        "../scripts/calibrate.py"


rule protocol_ladder:
    """Take the 2019 study's scores of one test set to the CARE paper's, one change per step."""
    input:
        volumes="results/volumes/{dataset}",
        restored=restored_by_example,
        restored_truth=restored_truth,
    output:
        explanation="results/explanation/{dataset}.csv",
    log:
        "logs/protocol_ladder/{dataset}.log",
    benchmark:
        "benchmarks/protocol_ladder/{dataset}.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: threads_per_volume
    resources:
        # Planes at a time, one per thread: 780 MB measured, four threads, 1024 x 1024
        mem_mb=growing(1500),
    params:
        conditions=condition_names,
        model=lambda wildcards: STUDY.runs[STUDY.example_run(wildcards.dataset)].model,
        organism=lambda wildcards: dataset_of(wildcards).published,
        code=code_version("protocol_ladder.py"),
    script:
        "../scripts/protocol_ladder.py"


use rule gather_scores as gather_explanations with:
    # The steps of all test sets
    input:
        expand("results/explanation/{dataset}.csv", dataset=STUDY.tested_datasets),
    output:
        explanation="results/explanation.csv",
    log:
        "logs/gather_explanations.log",
    benchmark:
        "benchmarks/gather_explanations.tsv"


rule restoration_examples:
    """Keep one section of one test volume, as input, restorations and ground truth, for figure 2."""
    input:
        volumes="results/volumes/{dataset}",
        baselines=restored_by_baselines,
        choices=choices_of_baselines,
        restored="results/restored/{run}/{dataset}",
    output:
        examples="results/examples/{run}/{dataset}.npz",
    log:
        "logs/restoration_examples/{run}/{dataset}.log",
    benchmark:
        "benchmarks/restoration_examples/{run}/{dataset}.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
    params:
        conditions=condition_names,
        voxel_size=voxel_size,
        code=code_version("restoration_examples.py"),
    script:
        "../scripts/restoration_examples.py"


rule provenance:
    """Record the config, versions, commit and inputs that made the results."""
    input:
        results=["results/scores.csv", *all_tables(), *all_figures()],
        records=expand(
            "results/archives/{dataset}.json",
            dataset=sorted({*STUDY.tested_datasets, *STUDY.patched_datasets}),
        ),
    output:
        record="results/provenance.json",
        config="results/config.yaml",
    log:
        "logs/provenance.log",
    benchmark:
        "benchmarks/provenance.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
    params:
        config=STUDY.config,
        seeds={name: run.seed for name, run in STUDY.trainings.items()},
        checksums=archive_checksums(),
        repository=str(WORKFLOW.parent),
        code=code_version("provenance.py"),
    script:
        "../scripts/provenance.py"
