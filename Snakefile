"""Content-aware denoising of fluorescence microscopy: the study, from archives to figures."""

from snakemake.utils import min_version

min_version("9.25")


# Studies are self-contained: Snakemake would merge `--configfile` over this one.
if not workflow.overwrite_configfiles:

    configfile: f"{workflow.current_basedir.get_path_or_uri(secret_free=True)}/config/config.yaml"


# `--resources gpu=1` serialises GPU jobs on a workstation and does not throttle a cluster.
resource_scopes:
    gpu="local",


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/inputs_data.smk"
include: "workflow/rules/inputs_networks.smk"
include: "workflow/rules/inputs_results.smk"
include: "workflow/rules/check.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/restore.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/viewer.smk"
include: "workflow/rules/published.smk"
include: "workflow/rules/new_images.smk"
include: "workflow/rules/export.smk"
include: "workflow/rules/console.smk"


onstart:
    refuse_files_of_the_future()
    follow_jobs()
    say_what_trains_again()


onsuccess:
    say_what_came_out()


onerror:
    say_what_failed()


rule all:
    """The whole study: scores, tables, figures and their provenance. Without models: new images."""
    default_target: True
    input:
        whole_study() if STUDY.models else "results/new_images.csv",
