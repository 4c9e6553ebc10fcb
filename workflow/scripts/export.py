"""Write one run's network in the forms of other programs, with its passport."""

import shutil
from pathlib import Path

from denoising.running.logs import muted, open_log
from denoising.running.outputs import write_whole

with open_log(snakemake.log[0]):
    with muted():
        import tensorflow  # noqa: F401
    import yaml

    from denoising.exports.onnx_network import write_onnx
    from denoising.exports.package import Contents, write_package
    from denoising.exports.passport import Evidence, description, passport
    from denoising.exports.sample import draw_sample
    from denoising.images.volumes import paired, with_channels
    from denoising.restoration.restorer import Restorer
    from denoising.running.provenance import record
    from denoising.training.network import load_model, use_device

    given, output, params = snakemake.input, snakemake.output, snakemake.params
    run, study = snakemake.wildcards.run, params.study
    percentiles = tuple(params.percentiles)
    use_device("cpu", snakemake.threads)
    network = load_model(Path(given.config).parent)
    folder = Path(output.csbdeep)
    folder.mkdir(parents=True)
    for file in (given.config, given.weights):
        shutil.copy(file, folder)

    citation = yaml.safe_load(Path(given.citation).read_text(encoding="utf-8"))
    is_ours = study.pretrained(run) is None
    page = passport(
        run,
        study,
        Evidence(
            [Path(file) for file in given.scores],
            {Path(file).stem: Path(file) for file in given.calibration},
            Path(given.training),
            record(
                {Path(file).stem: Path(file) for file in given.records},
                params.checksums,
                {},
                Path(given.citation).parent,
            ),
            citation["license"] if is_ours else "",
        ),
    )
    write_whole(output.passport, page)

    model = study.models[study.runs[run].model]
    condition = study.datasets[model.tested_on[0]].condition_names[-1]
    pair = next(paired(Path(given.volumes[0]), "test", [condition]))
    if model.channels:
        pair = with_channels(pair, [Path(volumes) for volumes in given.volumes])
    restorer = Restorer(network, 10**9, percentiles=percentiles)  # in one piece
    contents = Contents(
        name=run,
        description=description(model, study),
        config=network.config,
        percentiles=percentiles,
        network=Path(output.onnx),
        opset=write_onnx(network, Path(output.onnx)),
        passport=Path(output.passport),
        citation=citation if is_ours else None,
    )
    write_package(contents, draw_sample(restorer, pair), Path(output.package))
