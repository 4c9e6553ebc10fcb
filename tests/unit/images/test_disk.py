"""Disk that a study takes: arithmetic on shapes, held against sums by hand."""

from pathlib import Path

import pandas as pd
import yaml
from made_up import SCHEMA

from denoising.images.disk import disk, listing_of, patch_count
from denoising.study.config import resolve

CONFIG = """
title: A study
datasets:
  mine:
    pairs: {low: "*_low.tif", high: "*_high.tif", axes: YX}
    patches: {shape: [16, 16], per_volume: 10}
  made:
    simulate: {species: planaria, shape: [16, 64, 64], train_volumes: 3, test_volumes: 2}
    layout: folders
    truth: GT
    conditions: [{name: "1", source: a}, {name: "2", source: b}]
    patches: {shape: [8, 16, 16], per_volume: 5}
  far:
    archive: {path: far.tar.gz}
    conditions: [{name: "1", source: a}]
    patches: {shape: [8, 16, 16]}
baselines: [tv]
studies:
  mine:
    models:
      single: {trained_on: mine, loss: mae}
      several: {trained_on: made, seeds: [1, 2]}
"""
STUDY = resolve(yaml.safe_load(CONFIG), SCHEMA)
CHECKED = pd.DataFrame(
    [
        {"pair": pair, "part": part, "side": side, "shape": "100x80", "dtype": "uint8"}
        for pair, part in (("a", "test"), ("b", "train"), ("c", "train"))
        for side in ("low", "high")
    ]
)


def images(tmp_path: Path):
    return {
        name: listing_of(dataset, tmp_path / name, CHECKED if dataset.is_pairs else None)
        for name, dataset in STUDY.datasets.items()
    }


def test_disk_is_that_of_volumes_patches_and_restorations(tmp_path):
    assert disk(STUDY, images(tmp_path)) == {
        "volumes": 6 * 100 * 80 + 3 * 5 * 2 * 16 * 64 * 64,
        "patches": 2 * 4 * (20 * 16 * 16 + 3 * 2 * 5 * 8 * 16 * 16),
        # A network that predicts no scale, and a filter; two runs with scales, an ensemble with the
        # ends of its intervals, and a filter
        "restorations": 4 * (2 * 100 * 80 + 2 * 2 * 9 * 16 * 64 * 64),
    }


def test_an_archive_that_is_not_here_counts_nothing_until_it_is_unpacked(tmp_path):
    far = STUDY.datasets["far"]
    assert images(tmp_path)["far"].empty
    (tmp_path / "far").mkdir()
    listing = "part,volume,condition,path,axes,shape,dtype\ntrain,a,1,x.tif,ZYX,9x9x9,uint16\n"
    (tmp_path / "far/volumes.csv").write_text(listing)
    assert patch_count(far, images(tmp_path)["far"]) == 64
