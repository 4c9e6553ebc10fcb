# Needs: scores, calibrations, explanation, runtimes, histories, examples, published numbers. Makes: tables and figures, each by a rule of its own.


rule score_table:
    """Scores on one test set beside the published ones, by protocol."""
    input:
        scores=lambda wildcards: scores_of(STUDY.models, [dataset_of_table(wildcards)]),
        published=shipped("published_scores.csv"),
    output:
        csv=reported("results/tables/{table}.csv", "score_table", "Tables", "Scores"),
        markdown="results/tables/{table}.md",
    log:
        "logs/score_table/{table}.log",
    benchmark:
        "benchmarks/score_table/{table}.tsv"
    wildcard_constraints:
        table=one_of(dataset.table for dataset in STUDY.datasets.values()),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
    params:
        dataset=dataset_of_table,
        study=described(),
        code=code_version("score_table.py"),
    script:
        "../scripts/score_table.py"


rule hyperparameters:
    """What every model was trained with."""
    input:
        published=shipped("published_scores.csv"),
    output:
        csv=reported(
            "results/tables/hyperparameters.csv",
            "hyperparameters",
            "Tables",
            "Training",
        ),
        markdown="results/tables/hyperparameters.md",
    log:
        "logs/hyperparameters.log",
    benchmark:
        "benchmarks/hyperparameters.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
    params:
        study=described(),
        code=code_version("hyperparameters.py"),
    script:
        "../scripts/hyperparameters.py"


rule generalization:
    """Every model on every test set, with the differences that the 2019 study quotes."""
    input:
        scores=scores_of(STUDY.compared_models, STUDY.tested_datasets),
        published=shipped("published_scores.csv"),
    output:
        csv=reported(
            "results/tables/generalization.csv", "generalization", "Tables", "Scores"
        ),
        markdown="results/tables/generalization.md",
    log:
        "logs/generalization.log",
    benchmark:
        "benchmarks/generalization.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
    params:
        study=described(),
        code=code_version("generalization.py"),
    script:
        "../scripts/generalization.py"


rule runtimes:
    """Runtimes beside the published ones, and what they say of the paper's."""
    input:
        histories=expand("results/models/{run}/history.csv", run=STUDY.runs),
        published=shipped("published_runtimes.csv"),
    output:
        csv=reported("results/tables/runtimes.csv", "runtimes", "Tables", "Training"),
        markdown="results/tables/runtimes.md",
        lines_csv=reported(
            "results/tables/runtime_lines.csv", "runtime_lines", "Tables", "Training"
        ),
        lines_markdown="results/tables/runtime_lines.md",
    log:
        "logs/runtimes.log",
    benchmark:
        "benchmarks/runtimes.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
    params:
        study=described(),
        code=code_version("runtimes.py"),
    script:
        "../scripts/runtimes.py"


rule comparisons:
    """Paired differences between methods, over the same volumes."""
    input:
        scores="results/scores.csv",
    output:
        csv=reported(
            "results/tables/comparisons.csv", "comparisons", "Tables", "Scores"
        ),
        markdown="results/tables/comparisons.md",
    log:
        "logs/comparisons.log",
    benchmark:
        "benchmarks/comparisons.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
    params:
        study=described(),
        code=code_version("comparisons.py"),
    script:
        "../scripts/comparisons.py"


rule strata:
    """Scores by stratum of the test volumes."""
    input:
        scores=scores_of(STUDY.models, STUDY.stratified_datasets),
    output:
        csv=reported("results/tables/strata.csv", "strata", "Tables", "Scores"),
        markdown="results/tables/strata.md",
    log:
        "logs/strata.log",
    benchmark:
        "benchmarks/strata.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
    params:
        study=described(),
        code=code_version("strata.py"),
    script:
        "../scripts/strata.py"


rule restoration_runtimes:
    """What restoring the test sets took, of every network and baseline."""
    input:
        runtimes=restoration_runtimes(),
    output:
        csv=reported(
            "results/tables/restoration_runtimes.csv",
            "restoration_runtimes",
            "Tables",
            "Restorations",
        ),
        markdown="results/tables/restoration_runtimes.md",
    log:
        "logs/restoration_runtimes.log",
    benchmark:
        "benchmarks/restoration_runtimes.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
    params:
        study=described(),
        code=code_version("restoration_runtimes.py"),
    script:
        "../scripts/restoration_runtimes.py"


rule calibration_table:
    """How well networks know their error."""
    input:
        [
            f"results/calibration/{run}/{dataset}.csv"
            for run, dataset in STUDY.calibrated
        ],
    output:
        csv=reported(
            "results/tables/calibration.csv", "calibration", "Tables", "Calibration"
        ),
        markdown="results/tables/calibration.md",
    log:
        "logs/calibration_table.log",
    benchmark:
        "benchmarks/calibration_table.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
    params:
        calibrated=[list(pair) for pair in STUDY.calibrated],
        study=described(),
        code=code_version("calibration_table.py"),
    script:
        "../scripts/calibration_table.py"


rule explanation_table:
    """From the 2019 study's numbers to the CARE paper's, step by step."""
    input:
        explanation="results/explanation.csv",
    output:
        csv=reported(
            "results/tables/why_the_numbers_differ.csv",
            "why_the_numbers_differ",
            "Tables",
            "Scores",
        ),
        markdown="results/tables/why_the_numbers_differ.md",
    log:
        "logs/explanation_table.log",
    benchmark:
        "benchmarks/explanation_table.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
    params:
        study=described(),
        code=code_version("explanation_table.py"),
    script:
        "../scripts/explanation_table.py"


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
