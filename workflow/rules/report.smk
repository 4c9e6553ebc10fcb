# Needs: scores, calibrations, the ladder, runtimes, histories, examples, published numbers.
# Makes: every table and figure. `study/products.py` lists them with their inputs.


rule table:
    """A table, as CSV and as Markdown: `scripts/tables/` holds a script for each."""
    input:
        unpack(table_inputs),
        template=template("page.html"),
    output:
        csv="results/tables/{table}.csv",
        markdown="results/tables/{table}.md",
        html=report(
            "results/tables/{table}.html",
            caption="../report/caption.rst",
            category=lambda wildcards: category_of(TABLES[wildcards.table]),
            labels=lambda wildcards: labels_of(TABLES[wildcards.table], "table"),
        ),
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
        shown=untracked(lambda wildcards: shown_in(TABLES[wildcards.table])),
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
            category=lambda wildcards: category_of(FIGURES[wildcards.figure]),
            labels=lambda wildcards: labels_of(FIGURES[wildcards.figure], "figure"),
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
        shown=untracked(lambda wildcards: shown_in(FIGURES[wildcards.figure])),
        title=lambda wildcards: FIGURES[wildcards.figure].title,
        caption=lambda wildcards: caption_of("figures", FIGURES[wildcards.figure]),
        study=STUDY,
        digest=STUDY.digest,
        code=lambda wildcards: version_of(
            SCRIPTS / "figures" / f"{FIGURES[wildcards.figure].script_name}.py"
        ),
    script:
        "../scripts/figures/{params.script}.py"


rule findings:
    """The findings on one page: what the scores say, what stands where, a methods paragraph."""
    input:
        unpack(lambda wildcards: products.verdict_files(STUDY)),
        record="results/provenance.json",
        published=shipped("published_scores.csv"),
        template=template("page.html"),
    output:
        markdown="results/README.md",
        html="results/findings.html",
    log:
        "logs/findings.log",
    benchmark:
        "benchmarks/findings.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
    params:
        study=STUDY,
        digest=STUDY.digest,
        code=code_version("findings.py"),
    script:
        "../scripts/findings.py"


rule crate:
    """Describe the results as an RO-Crate: every job, what it read and wrote, and checksums.

    It runs where Snakemake was started, which keeps the records of all jobs.
    """
    input:
        results=finished_study(),
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
