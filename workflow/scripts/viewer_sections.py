"""Keep the sections of a test set that its viewer shows, and where restorations are worst."""

import json
from pathlib import Path

from denoising.images.volumes import paired
from denoising.report.examples import strongest
from denoising.report.viewer import TestSet, sections_of_test_set
from denoising.report.viewer_sections import Method
from denoising.running.logs import open_log
from denoising.running.outputs import write_whole
from denoising.study.names import INPUT

with open_log(snakemake.log[0], snakemake.input):
    methods = [Method(INPUT, None)]
    best = strongest([Path(path) for path in snakemake.input.choices])
    if best:
        folders = {Path(path).parent.name: Path(path) for path in snakemake.input.baselines}
        methods.append(Method(best["baseline"], folders[best["baseline"]]))
    predicting = snakemake.params.predicting
    networks = [Path(path) for path in snakemake.input.networks]
    methods += [Method(path.parent.name, path, path.parent.name in predicting) for path in networks]
    conditions = snakemake.params.conditions
    test_set = TestSet(
        pairs=list(paired(Path(snakemake.input.volumes), "test", conditions)),
        methods=methods,
        first=networks[0].parent.name,
        conditions=conditions,
        voxel_size=snakemake.params.voxel_size,
    )
    output = Path(snakemake.output.sections)
    sections = sections_of_test_set(test_set, output.parent)
    write_whole(output, json.dumps(sections, separators=(",", ":")))
