# Needs: scores, calibrations, explanation, histories, examples, published numbers. Makes: figures.


rule fig1_patches:
    """Training and validation patches, inputs over targets."""
    input:
        expand("results/examples/patches-{dataset}.npz", dataset=STUDY.trained_datasets),
    output:
        pdf="results/figures/fig1_patches.pdf",
        png=reported(
            "results/figures/fig1_patches.png", "fig1_patches", "Figures", "Data"
        ),
    log:
        "logs/fig1_patches.log",
    benchmark:
        "benchmarks/fig1_patches.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
    params:
        datasets=STUDY.trained_datasets,
        study=described(),
        code=code_version("fig1_patches.py"),
    script:
        "../scripts/fig1_patches.py"


rule fig2_restoration:
    """One section of a test volume as input, restored, and ground truth."""
    input:
        [
            f"results/examples/{STUDY.example_run(dataset)}/{dataset}.npz"
            for dataset in STUDY.tested_datasets
        ],
    output:
        pdf="results/figures/fig2_restoration.pdf",
        png=reported(
            "results/figures/fig2_restoration.png",
            "fig2_restoration",
            "Figures",
            "Restorations",
        ),
    log:
        "logs/fig2_restoration.log",
    benchmark:
        "benchmarks/fig2_restoration.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
    params:
        shown=[
            [STUDY.example_run(dataset), dataset] for dataset in STUDY.tested_datasets
        ],
        study=described(),
        code=code_version("fig2_restoration.py"),
    script:
        "../scripts/fig2_restoration.py"


rule fig3_generalization:
    """Every model on every test set."""
    input:
        scores=scores_of(STUDY.compared_models, STUDY.tested_datasets),
    output:
        pdf="results/figures/fig3_generalization.pdf",
        png=reported(
            "results/figures/fig3_generalization.png",
            "fig3_generalization",
            "Figures",
            "Scores",
        ),
    log:
        "logs/fig3_generalization.log",
    benchmark:
        "benchmarks/fig3_generalization.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
    params:
        study=described(),
        code=code_version("fig3_generalization.py"),
    script:
        "../scripts/fig3_generalization.py"


rule sweep_figure:
    """Scores against the one value that a study varies: figures 4 and 5."""
    input:
        scores=scores_of_sweep,
    output:
        pdf="results/figures/{figure}.pdf",
        png=reported(
            "results/figures/{figure}.png", "sweep_figure", "Figures", "Scores"
        ),
    log:
        "logs/sweep_figure/{figure}.log",
    benchmark:
        "benchmarks/sweep_figure/{figure}.tsv"
    wildcard_constraints:
        figure=one_of(STUDY.sweeps),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
    params:
        sweep=lambda wildcards: STUDY.sweeps[wildcards.figure].name,
        study=described(),
        code=code_version("sweep_figure.py"),
    script:
        "../scripts/sweep_figure.py"


rule learning_curves:
    """Training and validation loss of every run, epoch by epoch."""
    input:
        expand("results/models/{run}/history.csv", run=STUDY.runs),
    output:
        pdf="results/figures/learning_curves.pdf",
        png=reported(
            "results/figures/learning_curves.png",
            "learning_curves",
            "Figures",
            "Training",
        ),
    log:
        "logs/learning_curves.log",
    benchmark:
        "benchmarks/learning_curves.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
    params:
        study=described(),
        code=code_version("learning_curves.py"),
    script:
        "../scripts/learning_curves.py"


rule runtimes_figure:
    """Runtime of every run, and runtime against steps per epoch."""
    input:
        histories=expand("results/models/{run}/history.csv", run=STUDY.runs),
        published=shipped("published_runtimes.csv"),
    output:
        pdf="results/figures/runtimes.pdf",
        png=reported("results/figures/runtimes.png", "runtimes", "Figures", "Training"),
    log:
        "logs/runtimes_figure.log",
    benchmark:
        "benchmarks/runtimes_figure.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
    params:
        study=described(),
        code=code_version("runtimes_figure.py"),
    script:
        "../scripts/runtimes_figure.py"


rule calibration_figure:
    """Coverage and scale that networks predict for their error, against what it is."""
    input:
        [
            f"results/calibration/{run}/{dataset}.csv"
            for run, dataset in STUDY.calibrated
        ],
    output:
        pdf="results/figures/calibration.pdf",
        png=reported(
            "results/figures/calibration.png", "calibration", "Figures", "Calibration"
        ),
    log:
        "logs/calibration_figure.log",
    benchmark:
        "benchmarks/calibration_figure.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
    params:
        calibrated=[list(pair) for pair in STUDY.calibrated],
        study=described(),
        code=code_version("calibration_figure.py"),
    script:
        "../scripts/calibration_figure.py"


rule explanation_figure:
    """From the 2019 study's numbers to the CARE paper's, step by step."""
    input:
        explanation="results/explanation.csv",
    output:
        pdf="results/figures/why_the_numbers_differ.pdf",
        png=reported(
            "results/figures/why_the_numbers_differ.png",
            "why_the_numbers_differ",
            "Figures",
            "Scores",
        ),
    log:
        "logs/explanation_figure.log",
    benchmark:
        "benchmarks/explanation_figure.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
    params:
        study=described(),
        code=code_version("explanation_figure.py"),
    script:
        "../scripts/explanation_figure.py"
