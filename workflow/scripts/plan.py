"""Say on one page what was found in the images and what will run; then stop."""

import logging
import os
import shutil
from functools import cache
from pathlib import Path

from denoising.running.devices import reserve_device
from denoising.running.logs import open_log
from denoising.running.outputs import write_whole

study = snakemake.params.study
with open_log(snakemake.log[0]):
    reserve_device(study.device, "check")
    # Here, so that TensorFlow sees the reserved device alone and its own messages are in the log
    import pandas as pd

    from denoising.images.disk import disk, listing_of
    from denoising.report.plan import Hours, Machine, Needs, found_in, page
    from denoising.study.training import TrainingRun
    from denoising.training.demands import MATMUL_SHARES, demands, is_trained, sustained_rate
    from denoising.training.network import chosen_precision, use_device

    pairs = snakemake.params.pairs
    tables = {
        name: pd.read_csv(path, dtype=str, keep_default_na=False)
        for name, path in zip(pairs, snakemake.input.tables, strict=True)
    }
    warnings = {
        name: Path(path).read_text().splitlines()
        for name, path in zip(pairs, snakemake.input.warnings, strict=True)
    }
    images = {
        name: listing_of(dataset, Path("results/volumes", name), tables.get(name))
        for name, dataset in study.datasets.items()
    }
    device = use_device(study.device, snakemake.threads, study.compute.memory_growth)
    rate = cache(lambda precision: sustained_rate(precision, device.on_gpu))
    hours = {}
    memory = 0.0
    for run in study.trainings.values():
        training = study.models[run.model].training
        if is_trained(TrainingRun(run.name, training, run.seed), Path("results/models", run.name)):
            continue
        dataset = study.datasets[training.trained_on]
        needed = demands(training, dataset, images[dataset.name], study.validation_fraction)
        seconds = needed.flop / rate(chosen_precision(training.precision, device))
        hours[run.name] = Hours(*(seconds / 3600 / share for share in reversed(MATMUL_SHARES)))
        memory = max(memory, needed.memory)
    machine = Machine(
        device.name,
        rate(chosen_precision("auto", device)),
        shutil.disk_usage(".").free,
        os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    )
    unknown = [name for name, listed in images.items() if listed.empty]
    found = []
    for name, dataset in study.datasets.items():
        found += found_in(dataset, images[name], warnings.get(name, []))
    text = page(study, found, Needs(hours, memory, disk(study, images), unknown), machine)
    write_whole(snakemake.params.page, text)
    logging.getLogger("progress").info("\n%s", text)
