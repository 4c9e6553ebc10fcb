"""Open a test volume in napari: ground truth, input, every restoration, and every predicted scale.

Usage: python docs/view_in_napari.py RESULTS DATASET CONDITION VOLUME, as in
python docs/view_in_napari.py results planaria 1 EXP278_Smed_fixed_RedDot1_sub_5_N7_m0001

napari is no package of the workflow: see docs/large-volumes.md. Volumes are memory maps, so that
they may be larger than memory.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow/scripts"))

from denoising.images.files import find_image, map_image

PERCENTILES = (3, 99.8)  # of an image, which are black and white


def files(results: Path, dataset: str, condition: str, volume: str) -> dict[str, Path]:
    """The volume's files that are there, by the name of their layer."""
    name = Path(condition, f"{volume}.tif")
    test = results / "volumes" / dataset / "test"
    listed = {"truth": test / "truth" / name.name, "input": test / name}
    for folder in sorted((results / "restored").glob(f"*/{dataset}")):
        method = folder.parent.name
        listed |= {method: folder / name, f"scale of {method}": folder / "scale" / name}
    found = {layer: find_image(path) for layer, path in listed.items()}
    return {layer: path for layer, path in found.items() if path.exists()}


def layers(images: dict[str, Path]) -> list[tuple[np.ndarray, dict]]:
    """Images as memory maps, and how `add_image` shows each."""
    shown = []
    for name, path in images.items():
        image, header = map_image(path, Path(tempfile.gettempdir()))
        sizes = dict(zip("ZYX", header.voxel_size, strict=True))
        plane = image if image.ndim == 2 else image[len(image) // 2]
        black, white = np.percentile(plane, PERCENTILES)
        is_scale = name.startswith("scale of ")
        how = {
            "name": name,
            "scale": [sizes.get(axis) or 1.0 for axis in header.axes],
            "contrast_limits": (0.0 if is_scale else float(black), float(white)),
            "colormap": "magma" if is_scale else "gray",
        }
        if all(sizes[axis] for axis in header.axes if axis in sizes):
            how["units"] = "um"
        shown.append((image, how))
    return shown


def show(viewer, images: dict[str, Path]) -> None:
    """Add the images to a napari viewer, side by side."""
    for image, how in layers(images):
        viewer.add_image(image, **how)
    viewer.grid.enabled = True
    viewer.scale_bar.visible = True


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    images = files(Path(sys.argv[1]), *sys.argv[2:])
    if not images:
        sys.exit(
            f"No such volume: {sys.argv[1]}/volumes/DATASET/volumes.csv lists those there are."
        )
    import napari

    show(napari.Viewer(), images)
    napari.run()
