# Needs: the config's datasets. Makes: archives, volumes, patches and splits.
# These rules have priority: what is wrong with the data is found before anything trains.


rule simulate:
    """Simulate specimens and archive them in the published layout of their organism."""
    output:
        archive="results/archives/{dataset}.tar.gz",
        record="results/archives/{dataset}.json",
    wildcard_constraints:
        dataset=one_of(with_source("simulate")),
    log:
        "logs/simulate/{dataset}.log",
    benchmark:
        "benchmarks/simulate/{dataset}.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 1
    priority: 10
    resources:
        mem_mb=growing(2000),
    params:
        simulation=setting("simulate"),
        patch_shape=setting("patches", "shape"),
        seed=STUDY["seed"],
        code=code_version("simulate.py"),
    script:
        "../scripts/simulate.py"


rule download:
    """Fetch an archive, from its URL or a local file, and verify its checksum."""
    input:
        local_archive,
    output:
        archive="results/archives/{dataset}.tar.gz",
        record="results/archives/{dataset}.json",
    wildcard_constraints:
        dataset=one_of(with_source("archive")),
    log:
        "logs/download/{dataset}.log",
    benchmark:
        "benchmarks/download/{dataset}.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 1
    priority: 10
    resources:
        mem_mb=growing(500),
    retries: 1
    localrule: True  # a cluster's nodes seldom reach the internet
    params:
        # No code version: a download is for good
        url=setting("archive", "url"),
        path=setting("archive", "path"),
        sha256=untracked(setting("archive", "sha256")),
    script:
        "../scripts/download.py"


rule unpack:
    """Unpack an archive of either layout into volumes, checking every array."""
    input:
        archive="results/archives/{dataset}.tar.gz",
    output:
        volumes=directory("results/volumes/{dataset}"),
    wildcard_constraints:
        dataset=one_of(with_source("simulate") + with_source("archive")),
    log:
        "logs/unpack/{dataset}.log",
    benchmark:
        "benchmarks/unpack/{dataset}.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 1
    priority: 10
    resources:
        mem_mb=growing(2000),
    params:
        layout=setting("layout"),
        truth=setting("truth"),
        conditions=condition_sources,
        code=code_version("unpack.py"),
    script:
        "../scripts/unpack.py"


rule bring_in:
    """Bring a microscopist's own image pairs into volumes, some of them kept for testing."""
    input:
        low=pair_files(1),
        high=pair_files(2),
    output:
        volumes=directory("results/volumes/{dataset}"),
        record="results/archives/{dataset}.json",
    wildcard_constraints:
        dataset=one_of(with_source("pairs")),
    log:
        "logs/bring_in/{dataset}.log",
    benchmark:
        "benchmarks/bring_in/{dataset}.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 1
    priority: 10
    resources:
        mem_mb=growing(2000),
    params:
        names=pair_names,
        axes=setting("axes"),
        test_fraction=setting("pairs", "test_fraction"),
        seed=STUDY["seed"],
        code=code_version("bring_in.py"),
    script:
        "../scripts/bring_in.py"


rule patches:
    """Make memory-mappable training patches, cut from volumes or taken from a published npz."""
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
    conda:
        "../../envs/data.yaml"
    threads: 1
    priority: 10
    resources:
        mem_mb=growing(4000),
    params:
        wanted=patch_settings,
        code=code_version("patches.py"),
    script:
        "../scripts/patches.py"


rule split:
    """Part the patches into training and validation, and check what is to be trained and tested on the dataset."""
    input:
        labels="results/patches/{dataset}/patches.csv",
        volumes="results/volumes/{dataset}",
    output:
        split="results/splits/{dataset}/{split}.csv",
    log:
        "logs/split/{dataset}/{split}.log",
    benchmark:
        "benchmarks/split/{dataset}/{split}.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 1
    priority: 10
    resources:
        mem_mb=growing(500),
    params:
        fraction=STUDY["validation_fraction"],
        seed=STUDY["seed"],
        batch_sizes=untracked(batch_sizes),
        code=code_version("split.py"),
    script:
        "../scripts/split.py"


rule patch_examples:
    """Keep a few training and validation patches for figure 1."""
    input:
        X="results/patches/{dataset}/X.npy",
        Y="results/patches/{dataset}/Y.npy",
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
