# Needs: test volumes, their restorations and scores. Makes: a page for each test set that shows them.


rule viewer_sections:
    """Keep the sections of a test set that its viewer shows, and where restorations are worst."""
    input:
        volumes="results/volumes/{dataset}",
        networks=restored_by_viewed,
        baselines=restored_by_baselines,
        choices=choices_of_baselines,
    output:
        sections="results/viewers/sections/{dataset}.json",
    log:
        "logs/viewer_sections/{dataset}.log",
    benchmark:
        "benchmarks/viewer_sections/{dataset}.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        # Volumes are memory maps: 105 MB beside them measured, 95 x 1024 x 1024
        mem_mb=growing(1000),
    params:
        conditions=condition_names,
        voxel_size=voxel_size,
        predicting=lambda wildcards: [
            run
            for run in viewed_runs(STUDY, wildcards.dataset)
            if run in STUDY.probabilistic_methods
        ],
        code=code_version("viewer_sections.py"),
    script:
        "../scripts/viewer_sections.py"


rule viewer:
    """One HTML page that shows a test set volume by volume, and where restorations are worst."""
    input:
        sections="results/viewers/sections/{dataset}.json",
        choices=choices_of_baselines,
        scores=scores_of_viewed,
        template=template("viewer.html"),
    output:
        page=report(
            "results/viewers/{dataset}.html",
            caption="../report/caption.rst",
            category=categories.IMAGES,
            labels=lambda wildcards: {
                "what": f"Every test volume of {dataset_of(wildcards).label} (viewer)"
            },
        ),
    log:
        "logs/viewer/{dataset}.log",
    benchmark:
        "benchmarks/viewer/{dataset}.tsv"
    wildcard_constraints:
        dataset=any_of(STUDY.tested_datasets),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
    params:
        caption=untracked(viewer_caption),
        shown=untracked(viewer_shown),
        study=STUDY,
        digest=STUDY.digest,
        code=code_version("viewer.py"),
    script:
        "../scripts/viewer.py"
