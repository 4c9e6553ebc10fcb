# Needs: the config's datasets. Makes: archives, volumes, patches and splits.
# These rules have priority, so that faults of the data show before anything trains.


rule simulate:
    """Simulate specimens and archive them in the published layout of their organism."""
    output:
        archive="results/archives/{dataset}.tar.gz",
        record="results/archives/{dataset}.json",
    log:
        "logs/simulate/{dataset}.log",
    benchmark:
        "benchmarks/simulate/{dataset}.tsv"
    wildcard_constraints:
        dataset=any_of(datasets_from("simulation")),
    priority: 10
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
    params:
        simulation=lambda wildcards: dict(vars(dataset_of(wildcards).source)),
        patch_shape=lambda wildcards: list(dataset_of(wildcards).patches.shape),
        seed=STUDY.seed,
        code=code_version("simulate.py"),
    script:
        "../scripts/simulate.py"


rule download:
    """Fetch an archive from its URL, and verify its checksum."""
    input:
        nothing_but_a_url,
    output:
        archive="results/archives/{dataset}.tar.gz",
        record="results/archives/{dataset}.json",
    log:
        "logs/download/{dataset}.log",
    benchmark:
        "benchmarks/download/{dataset}.tsv"
    wildcard_constraints:
        dataset=any_of(datasets_from("url")),
    priority: 10
    retries: 1
    localrule: True  # a cluster's nodes seldom reach the internet
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
    params:
        # No code version, because an edit to the code must not download again
        url=lambda wildcards: dataset_of(wildcards).source.url,
        allow_http=untracked(lambda wildcards: dataset_of(wildcards).source.allow_http),
        sha256=untracked(lambda wildcards: dataset_of(wildcards).source.sha256),
    script:
        "../scripts/download.py"


rule use_archive:
    """Verify and record an archive that is here already, as a tar file or as a folder."""
    input:
        archive=ancient(local_archive),
    output:
        record="results/archives/{dataset}.json",
    log:
        "logs/use_archive/{dataset}.log",
    benchmark:
        "benchmarks/use_archive/{dataset}.tsv"
    wildcard_constraints:
        dataset=any_of(datasets_from("path")),
    priority: 10
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
    params:
        # No times: an archive that was touched or copied is the same one
        sizes=sizes_in_archive,
        sha256=untracked(lambda wildcards: dataset_of(wildcards).source.sha256),
    script:
        "../scripts/use_archive.py"


rule unpack:
    """Unpack an archive of any layout into volumes, and check every array."""
    input:
        archive=ancient(archive_of),
        record="results/archives/{dataset}.json",
    output:
        volumes=directory("results/volumes/{dataset}"),
        arrival="results/checks/{dataset}.json",
    log:
        "logs/unpack/{dataset}.log",
    benchmark:
        "benchmarks/unpack/{dataset}.tsv"
    wildcard_constraints:
        dataset=any_of(datasets_from("simulation", "url", "path")),
    priority: 10
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
    params:
        layout=lambda wildcards: dataset_of(wildcards).layout,
        truth=lambda wildcards: dataset_of(wildcards).truth,
        conditions=lambda wildcards: {
            condition.name: condition.source
            for condition in dataset_of(wildcards).conditions
        },
        published=untracked(published_of_archive),
        code=code_version("unpack.py"),
    script:
        "../scripts/unpack.py"


rule import_pairs:
    """Import a user's own image pairs into volumes, and hold some out for testing."""
    input:
        content=checked_content,
        table=ancient("results/checks/{dataset}.csv"),
        low=ancient(pair_files(1)),
        high=ancient(pair_files(2)),
    output:
        volumes=directory("results/volumes/{dataset}"),
        record="results/archives/{dataset}.json",
    log:
        "logs/import_pairs/{dataset}.log",
    benchmark:
        "benchmarks/import_pairs/{dataset}.tsv"
    wildcard_constraints:
        dataset=any_of(datasets_from("pairs")),
    priority: 10
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
    params:
        # Which file is low and which is high: the set of input files does not tell
        pairs=paired_files,
        selection=lambda wildcards: dataset_of(wildcards).source.selection,
        test_fraction=lambda wildcards: dataset_of(wildcards).source.test_fraction,
        seed=STUDY.seed,
        code=code_version("import_pairs.py"),
    script:
        "../scripts/import_pairs.py"


rule import_npz:
    """Import training patches that csbdeep saved."""
    input:
        npz=lambda wildcards: dataset_of(wildcards).source.path,
    output:
        volumes=directory("results/volumes/{dataset}"),
        record="results/archives/{dataset}.json",
    log:
        "logs/import_npz/{dataset}.log",
    benchmark:
        "benchmarks/import_npz/{dataset}.tsv"
    wildcard_constraints:
        dataset=any_of(datasets_from("npz")),
    priority: 10
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
    params:
        wanted=patch_settings,
        code=code_version("import_npz.py"),
    script:
        "../scripts/import_npz.py"


rule patches:
    """Make memory-mappable training patches, cut from volumes or taken from an npz."""
    input:
        volumes="results/volumes/{dataset}",
    output:
        X="results/patches/{dataset}/X.npy",
        Y="results/patches/{dataset}/Y.npy",
        labels="results/patches/{dataset}/patches.csv",
        description="results/patches/{dataset}/patches.json",
    log:
        "logs/patches/{dataset}.log",
    benchmark:
        "benchmarks/patches/{dataset}.tsv"
    priority: 10
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
    params:
        wanted=patch_settings,
        code=code_version("patches.py"),
    script:
        "../scripts/patches.py"


rule split:
    """Split the patches into training and validation, and check them against the models."""
    input:
        labels="results/patches/{dataset}/patches.csv",
        description="results/patches/{dataset}/patches.json",
        volumes="results/volumes/{dataset}",
    output:
        split="results/splits/{dataset}/{split}.csv",
    log:
        "logs/split/{dataset}/{split}.log",
    benchmark:
        "benchmarks/split/{dataset}/{split}.tsv"
    priority: 10
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
    params:
        kind=lambda wildcards: training_with_split(wildcards).split,
        training_volumes=lambda wildcards: training_with_split(
            wildcards
        ).training_volumes,
        fraction=STUDY.validation_fraction,
        seed=STUDY.seed,
        batch_sizes=untracked(batch_sizes),
        code=code_version("split.py"),
    script:
        "../scripts/split.py"


rule patch_examples:
    """Keep a few training and validation patches for figure 1."""
    input:
        X="results/patches/{dataset}/X.npy",
        Y="results/patches/{dataset}/Y.npy",
        labels="results/patches/{dataset}/patches.csv",
        description="results/patches/{dataset}/patches.json",
        split=lambda wildcards: splits_of(wildcards.dataset)[0],
    output:
        examples="results/examples/patches-{dataset}.npz",
    log:
        "logs/patch_examples/{dataset}.log",
    benchmark:
        "benchmarks/patch_examples/{dataset}.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
    params:
        code=code_version("patch_examples.py"),
    script:
        "../scripts/patch_examples.py"
