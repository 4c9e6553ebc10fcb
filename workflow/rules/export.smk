# Needs: model folders, scores, calibrations, test volumes. Makes: networks in the forms of other programs.


rule export:
    """Write the network of one run for csbdeep, ONNX and bioimage.io, with a passport.

    The package is tested before the job ends, by bioimage.io's own test.
    """
    input:
        config="results/models/{run}/config.json",
        weights="results/models/{run}/weights_best.h5",
        training="results/models/{run}/training.json",
        volumes=volumes_of_sample,
        scores=scores_of_passport,
        calibration=calibration_of_passport,
        records=records_of_passport,
        citation=local(str(WORKFLOW.parent / "CITATION.cff")),
    output:
        csbdeep=directory("results/exports/{run}/csbdeep"),
        onnx="results/exports/{run}/{run}.onnx",
        package="results/exports/{run}/{run}.bioimageio.zip",
        passport="results/exports/{run}/README.md",
    log:
        "logs/export/{run}.log",
    benchmark:
        "benchmarks/export/{run}.tsv"
    conda:
        "../../envs/export.yaml"
    threads: 2
    resources:
        mem_mb=growing(8000),
    params:
        study=STUDY,
        digest=STUDY.digest,
        checksums=archive_checksums(),
        percentiles=lambda wildcards: percentiles_of(
            STUDY.training_of(STUDY.runs[wildcards.run].model).trained_on
        ),
        code=code_version("export.py"),
    script:
        "../scripts/export.py"


rule export_saved_model:
    """Write the network of one run for Fiji's CSBDeep plugin and KNIME."""
    input:
        config="results/models/{run}/config.json",
        weights="results/models/{run}/weights_best.h5",
        training="results/models/{run}/training.json",
    output:
        archive="results/exports/{run}/TF_SavedModel.zip",
    log:
        "logs/export_saved_model/{run}.log",
    benchmark:
        "benchmarks/export_saved_model/{run}.tsv"
    conda:
        "../../envs/export.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
    params:
        code=code_version("export_saved_model.py"),
    script:
        "../scripts/export_saved_model.py"


if STUDY.models:

    rule exported:
        """Every network of the study, in the forms of other programs."""
        input:
            expand(
                "results/exports/{run}/{file}",
                run=STUDY.runs,
                file=["README.md", "TF_SavedModel.zip"],
            ),
