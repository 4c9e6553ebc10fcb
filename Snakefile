"""Content-aware denoising of fluorescence microscopy: the study, from archives to figures."""

from snakemake.utils import min_version

min_version("9.25")


# `--configfile` would be merged over this one: a study file is self-contained instead.
if not workflow.overwrite_configfiles:

    configfile: f"{workflow.basedir}/config/config.yaml"


# One GPU job at a time on a workstation (`--resources gpu=1`); clusters are not throttled by it.
resource_scopes:
    gpu="local",


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/restore.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/figures.smk"


onstart:
    logger.info(disk_use())


# Checkpoints outlive their training, which Snakemake may yet find incomplete, but not a run that went well.
onsuccess:
    remove_finished_checkpoints()


rule all:
    """The whole study: scores, tables, figures, and where they come from."""
    default_target: True
    input:
        "results/scores.csv",
        "results/provenance.json",
        all_tables(),
        all_figures(),
        kept_restorations(),
