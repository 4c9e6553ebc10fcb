"""A network as a bioimage.io package (format 0.5): a zip that its community's programs run.

The package normalises each channel of an image by its percentiles, as training did. Its tiles have
edges of multiples of 2**depth and a halo as wide as the network's receptive field, so that a voxel
does not depend on how the image is cut. Its restorations stay normalised.
"""

import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bioimageio.core
import numpy as np
from bioimageio.spec import save_bioimageio_package
from bioimageio.spec.model import v0_5
from csbdeep.models import Config

from denoising.exports.sample import Sample, draw_cover, smallest_tile
from denoising.running.outputs import whole
from denoising.training.network import halo

TOLERANCE = 1e-4  # of what the sample's restoration spans
CARE_DOI = "10.1038/s41592-018-0216-7"


@dataclass(frozen=True)
class Contents:
    """What goes into a package besides the sample.

    `network` is an ONNX file with operators of the version `opset`; `passport` is a Markdown file;
    `citation` is what CITATION.cff holds, or None for a network that was made elsewhere: its
    makers and its licence are not known.
    """

    name: str
    description: str
    config: Config
    percentiles: tuple[float, float]
    network: Path
    opset: int
    passport: Path
    citation: Mapping[str, Any] | None


def write_package(contents: Contents, sample: Sample, path: Path) -> None:
    """Write a package, and see that it restores its sample as this workflow does.

    Raises
    ------
    ValueError
        If it does not, by `bioimageio.core.test_model`; the file is then not there.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        np.save(folder / "input.npy", sample.image)
        np.save(folder / "output.npy", sample.restored)
        draw_cover(sample, folder / "cover.png")
        (folder / "README.md").write_bytes(contents.passport.read_bytes())
        package = folder / "package.zip"
        save_bioimageio_package(_described(contents, sample, folder), output_path=package)
        summary = bioimageio.core.test_model(package)
        if summary.status != "passed":
            errors = "; ".join(error.msg for detail in summary.details for error in detail.errors)
            raise ValueError(f"{path}: the package does not pass bioimage.io's own test: {errors}")
        with whole(path) as partial:
            shutil.copyfile(package, partial)


def _described(contents: Contents, sample: Sample, folder: Path) -> v0_5.ModelDescr:
    people: dict[str, Any] = {}
    care = v0_5.CiteEntry(text="CARE: Weigert et al., Nature Methods 2018", doi=v0_5.Doi(CARE_DOI))
    if contents.citation:
        people = {
            "authors": [v0_5.Author(name=_name(author)) for author in contents.citation["authors"]],
            "license": v0_5.LicenseId(contents.citation["license"]),
        }
    return v0_5.ModelDescr(
        name=re.sub(r"[^A-Za-z0-9_+() -]", "-", f"CARE {contents.name}"),
        description=contents.description,
        documentation=v0_5.FileDescr(source=folder / "README.md"),
        covers=[v0_5.FileDescr(source=folder / "cover.png")],
        tags=["denoising", "image-restoration", "CARE", "unet", "fluorescence-light-microscopy"],
        cite=[care],
        inputs=[_input(contents, folder / "input.npy")],
        outputs=[_output(contents, folder / "output.npy")],
        weights=v0_5.WeightsDescr(
            onnx=v0_5.OnnxWeightsDescr(source=contents.network, opset_version=contents.opset)
        ),
        config=_tolerance(sample),
        **people,
    )


def _name(author: dict[str, str]) -> str:
    given = " ".join(author[key] for key in ("given-names", "family-names") if key in author)
    return author.get("name", given)


def _tolerance(sample: Sample) -> v0_5.Config:
    absolute = TOLERANCE * float(np.ptp(sample.restored))
    tolerance = v0_5.ReproducibilityTolerance(
        relative_tolerance=0, absolute_tolerance=absolute, mismatched_elements_per_million=0
    )
    return v0_5.Config(bioimageio=v0_5.BioimageioConfig(reproducibility_tolerance=[tolerance]))


def _spatial(config: Config) -> list[str]:
    return list(config.axes.replace("C", "").lower())


def _input(contents: Contents, tensor: Path) -> v0_5.InputTensorDescr:
    config = contents.config
    size = v0_5.ParameterizedSize(min=smallest_tile(config), step=2**config.unet_n_depth)
    low, high = contents.percentiles
    scale_range = v0_5.ScaleRangeKwargs(
        axes=[v0_5.AxisId(axis) for axis in _spatial(config)],
        min_percentile=low,
        max_percentile=high,
        eps=1e-20,  # no image is normalised by it
    )
    return v0_5.InputTensorDescr(
        id=v0_5.TensorId("raw"),
        description="the image as acquired",
        axes=[
            v0_5.BatchAxis(),
            *[v0_5.SpaceInputAxis(id=v0_5.AxisId(axis), size=size) for axis in _spatial(config)],
            v0_5.ChannelAxis(channel_names=_channels("raw", config.n_channel_in)),
        ],
        data=v0_5.IntervalOrRatioDataDescr(type="float32"),
        test_tensor=v0_5.FileDescr(source=tensor),
        pad=v0_5.ReflectPadding(mode="reflect"),
        preprocessing=[v0_5.ScaleRangeDescr(kwargs=scale_range)],
    )


def _output(contents: Contents, tensor: Path) -> v0_5.OutputTensorDescr:
    config = contents.config
    channels = _channels("restored", config.n_channel_out)
    if config.probabilistic:
        channels += _channels("scale", config.n_channel_out)
    axes = [
        v0_5.SpaceOutputAxisWithHalo(
            id=v0_5.AxisId(axis),
            halo=halo(config.unet_n_depth, config.unet_kern_size),
            size=v0_5.SizeReference(tensor_id=v0_5.TensorId("raw"), axis_id=v0_5.AxisId(axis)),
        )
        for axis in _spatial(config)
    ]
    return v0_5.OutputTensorDescr(
        id=v0_5.TensorId("restored"),
        description="normalised: 0 and 1 are the percentiles of the image",
        axes=[v0_5.BatchAxis(), *axes, v0_5.ChannelAxis(channel_names=channels)],
        data=v0_5.IntervalOrRatioDataDescr(type="float32"),
        test_tensor=v0_5.FileDescr(source=tensor),
    )


def _channels(name: str, count: int) -> list[str]:
    return [name] if count == 1 else [f"{name}{number}" for number in range(1, count + 1)]
