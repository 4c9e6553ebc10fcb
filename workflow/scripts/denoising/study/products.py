"""The tables and figures of a study, by name."""

from denoising.study.study import Study


def tables(study: Study) -> list[str]:
    """Names of the study's tables."""
    names = [study.datasets[name].table for name in study.tested_datasets]
    names += ["hyperparameters", "runtimes", "runtime_lines", "comparisons"]
    names += ["restoration_runtimes", "why_the_numbers_differ"]
    if study.stratified_datasets:
        names.append("strata")
    if study.probabilistic_runs:
        names.append("calibration")
    if study.is_cross_tested:
        names.append("generalization")
    return names


def figures(study: Study) -> list[str]:
    """Names of the study's figures."""
    names = ["fig1_patches", "fig2_restoration", "learning_curves", "runtimes"]
    names.append("why_the_numbers_differ")
    if study.probabilistic_runs:
        names.append("calibration")
    names += [sweep.figure for sweep in study.sweeps.values()]
    if study.is_cross_tested:
        names.append("fig3_generalization")
    return names
