"""Restore every test volume of a dataset, in all its conditions, with the model of one run."""

from pathlib import Path

from denoising.logs import open_log

with open_log(snakemake.log[0]):
    # Here, so that what TensorFlow says when it is loaded is in the log
    from tqdm import tqdm

    from denoising.network import load_model, use_device
    from denoising.restoration import compiled, restore
    from denoising.volumes import normalise_input, paired, read_volume, write_volume

    use_device(snakemake.params.device, snakemake.threads, snakemake.params.memory_growth)
    model = load_model(Path(snakemake.input.config).parent)
    forward = compiled(model)
    pairs = list(paired(Path(snakemake.input.volumes), "test", snakemake.params.conditions))
    for pair in tqdm(pairs, desc="restored", unit="volume"):
        image = normalise_input(read_volume(pair.image, pair.axes))
        restored = restore(forward, model.config, image, snakemake.params.max_tile_voxels)
        write_volume(Path(snakemake.output.restored) / pair.condition / f"{pair.volume}.tif", restored, pair.axes)
