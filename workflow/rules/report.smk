# Needs: scores, calibrations, the ladder, runtimes, histories, examples, published numbers.
# Makes: every table and figure. `study/products.py` lists them with their inputs.


rule table:
    """A table, as CSV and as Markdown: `scripts/tables/` holds a script for each."""
    input:
        unpack(table_inputs),
    output:
        csv=report(
            "results/tables/{table}.csv",
            caption="../report/caption.rst",
            category=lambda wildcards: TABLES[wildcards.table].category,
            labels=lambda wildcards: {
                "what": TABLES[wildcards.table].title,
                "kind": "table",
            },
        ),
        markdown="results/tables/{table}.md",
    log:
        "logs/tables/{table}.log",
    benchmark:
        "benchmarks/tables/{table}.tsv"
    wildcard_constraints:
        table=any_of(TABLES),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
    params:
        script=lambda wildcards: TABLES[wildcards.table].script_name,
        caption=untracked(
            lambda wildcards: caption_of("tables", TABLES[wildcards.table])
        ),
        study=STUDY,
        digest=STUDY.digest,
        code=lambda wildcards: version_of(
            SCRIPTS / "tables" / f"{TABLES[wildcards.table].script_name}.py"
        ),
    script:
        "../scripts/tables/{params.script}.py"


rule figure:
    """A figure, as PDF and as PNG, with its caption: `scripts/figures/` holds a script for each."""
    input:
        unpack(figure_inputs),
    output:
        pdf="results/figures/{figure}.pdf",
        png=report(
            "results/figures/{figure}.png",
            caption="../report/caption.rst",
            category=lambda wildcards: FIGURES[wildcards.figure].category,
            labels=lambda wildcards: {
                "what": FIGURES[wildcards.figure].title,
                "kind": "figure",
            },
        ),
        caption="results/figures/{figure}.txt",
    log:
        "logs/figures/{figure}.log",
    benchmark:
        "benchmarks/figures/{figure}.tsv"
    wildcard_constraints:
        figure=any_of(FIGURES),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
    params:
        script=lambda wildcards: FIGURES[wildcards.figure].script_name,
        title=lambda wildcards: FIGURES[wildcards.figure].title,
        caption=lambda wildcards: caption_of("figures", FIGURES[wildcards.figure]),
        study=STUDY,
        digest=STUDY.digest,
        code=lambda wildcards: version_of(
            SCRIPTS / "figures" / f"{FIGURES[wildcards.figure].script_name}.py"
        ),
    script:
        "../scripts/figures/{params.script}.py"


rule readme:
    """The first page of the results: what stands where, what it says, and a methods paragraph."""
    input:
        scores="results/scores.csv",
        verdicts="results/tables/verdicts.md",
        record="results/provenance.json",
    output:
        page="results/README.md",
    log:
        "logs/readme.log",
    benchmark:
        "benchmarks/readme.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
    params:
        study=STUDY,
        digest=STUDY.digest,
        code=code_version("readme.py"),
    script:
        "../scripts/readme.py"


rule crate:
    """Describe the results as an RO-Crate: every job, what it read and wrote, and checksums.

    It runs where Snakemake was started, which keeps the records of all jobs.
    """
    input:
        results=[
            "results/scores.csv",
            "results/README.md",
            *all_tables(),
            *all_figures(),
        ],
        record="results/provenance.json",
        config="results/config.yaml",
    output:
        crate="results/ro-crate-metadata.json",
        code=directory("results/code"),
    log:
        "logs/crate.log",
    benchmark:
        "benchmarks/crate.tsv"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
    params:
        study=STUDY,
        digest=STUDY.digest,
        repository=untracked(lambda wildcards: str(WORKFLOW.parent)),
        records=".snakemake/metadata",
        rules=untracked(lambda wildcards: rules_described()),
        code=code_version("crate.py"),
    script:
        "../scripts/crate.py"


rule verify:
    """Hold the files against the checksums that the RO-Crate records, and name each that differs.

    It has no output and no input, so that it runs when it is asked for, and nothing else does.
    """
    log:
        "logs/verify.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
    params:
        crate="results/ro-crate-metadata.json",
    script:
        "../scripts/verify.py"
