"""Train one model, or continue its training."""

from pathlib import Path

import numpy as np

from denoising.running.checksums import sha256_of
from denoising.running.devices import reserve_device
from denoising.running.gpus import Gpu
from denoising.running.logs import muted, open_log
from denoising.study.training import Compute, Training, TrainingRun
from denoising.training.agreement import read_split
from denoising.training.checks import check_batch
from denoising.training.compilation import is_resident, settle_compilation

name = snakemake.wildcards.run
device = snakemake.params.device
made_before = [snakemake.input[file] for file in ("X", "Y", "description", "split")]
with open_log(snakemake.log[0], [*made_before, *snakemake.input.start]):
    gpu = Gpu(reserve_device(device, f"training of {name}") != "CPU")
    settings = dict(snakemake.params.model)
    start = [Path(file) for file in (*snakemake.input.start, *snakemake.input.start_folder)]
    folder = start[0].parent if start else None
    run = TrainingRun(name, seed=settings.pop("seed"), settings=Training(**settings), start=folder)
    compute = Compute(**snakemake.params.compute)
    patches_folder = Path(snakemake.input.X).parent
    split = read_split(Path(snakemake.input.split), patches_folder)
    check_batch(name, run.settings.batch_size, split)
    X = np.load(snakemake.input.X, mmap_mode="r")
    resident = is_resident(compute, X, gpu)
    compilation = settle_compilation(run, X.shape[1:], compute, gpu.card(), resident)
    # Here, so that TensorFlow sees the reserved device alone, and XLA its flags
    with muted():
        import tensorflow  # noqa: F401
    from denoising.training.batches import PatchPairs
    from denoising.training.loop import Folders, train
    from denoising.training.network import use_device
    from denoising.training.steps import choose_execution

    defined_by = snakemake.params.code + Path(snakemake.input.description).read_text()
    chosen = use_device(device, snakemake.threads, compute.memory_growth)
    train(
        run,
        PatchPairs.open(patches_folder, split),
        Folders(
            model=Path(snakemake.output.config).parent,
            checkpoints=Path(snakemake.params.checkpoints),
            tensorboard=Path("logs/tensorboard") / name if snakemake.params.tensorboard else None,
        ),
        chosen,
        choose_execution(compilation, run.settings, compute, chosen, resident),
        defined_by="".join([defined_by, *map(sha256_of, start)]),
    )
