"""Folders of networks as csbdeep describes them, without weights."""

import json

CARE = {
    "axes": "YXC", "n_channel_in": 1, "n_channel_out": 1, "probabilistic": True, "unet_n_first": 4,
    "unet_n_depth": 2, "unet_kern_size": 3, "unet_residual": True, "unet_last_activation": "linear",
    "train_loss": "laplace", "train_epochs": 7,
}  # fmt: skip


def save_network(folder, **keys):
    """A folder whose config.json differs from that of a small network of planes in some keys."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CARE | keys))
    with (folder / "weights_best.h5").open("wb") as weights:
        weights.truncate(1 << 20)  # of zeros, which take no room
