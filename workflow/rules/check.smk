# Needs: the user's own images. Makes: what is to be known before anything is made from them.


checkpoint check_pairs:
    """Look at every image of a user's own pairs before anything is made from them.

    It is a checkpoint, because what depends on its checksum of the images is then decided when it
    is done: images that were touched, but hold what they held, are not imported again.
    """
    input:
        low=pair_files(1),
        high=pair_files(2),
    output:
        content="results/checks/{dataset}.sha256",
        table="results/checks/{dataset}.csv",
        warnings="results/checks/{dataset}.txt",
    log:
        "logs/check_pairs/{dataset}.log",
    benchmark:
        "benchmarks/check_pairs/{dataset}.tsv"
    wildcard_constraints:
        dataset=any_of(datasets_from("pairs")),
    priority: 20
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        # Volumes are memory maps, so their size does not matter
        mem_mb=growing(2000),
    params:
        pairs=paired_files,
        selection=lambda wildcards: dataset_of(wildcards).source.selection,
        percentiles=lambda wildcards: percentiles_of(wildcards.dataset),
        largest_shift=lambda wildcards: dataset_of(wildcards).source.largest_shift,
        patch=patches_cut,
        test_fraction=lambda wildcards: dataset_of(wildcards).source.test_fraction,
        seed=STUDY.seed,
        record=untracked(lambda wildcards: f"results/archives/{wildcards.dataset}.json"),
        code=code_version("check_pairs.py"),
    script:
        "../scripts/check_pairs.py"


rule check_leaks:
    """Refuse test images that are training images of another dataset, before any model is tested."""
    input:
        trained="results/checks/{trained}.csv",
        tested="results/checks/{dataset}.csv",
    output:
        "results/checks/leaks/{trained}/{dataset}.txt",
    log:
        "logs/check_leaks/{trained}/{dataset}.log",
    wildcard_constraints:
        trained=any_of(datasets_from("pairs")),
        dataset=any_of(datasets_from("pairs")),
    priority: 20
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
    params:
        code=code_version("check_leaks.py"),
    script:
        "../scripts/check_leaks.py"


rule check:
    """Look at all images, say what will run and what it takes, and stop.

    It has no output, so that it answers each time it is asked for.
    """
    input:
        tables=expand("results/checks/{dataset}.csv", dataset=datasets_from("pairs")),
        warnings=expand("results/checks/{dataset}.txt", dataset=datasets_from("pairs")),
        leaks=all_leaks_checked(),
        networks=networks_checked(),
        archives=expand(
            "results/archives/{dataset}.json", dataset=datasets_from("path")
        ),
    log:
        "logs/check.log",
    conda:
        "../../envs/care.yaml"
    threads: STUDY.compute.threads
    resources:
        gpu=gpus,
        mem_mb=growing(4000),
    params:
        study=STUDY,
        pairs=datasets_from("pairs"),
        page="results/checks/plan.txt",
    script:
        "../scripts/plan.py"
