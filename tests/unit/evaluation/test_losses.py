"""Losses of all trainings as one table."""

import pandas as pd
from made_up import study_of

from denoising.evaluation.losses import read_losses


def test_the_epoch_with_the_lowest_validation_loss_is_kept(tmp_path):
    models = {"planaria-100": {"trained_on": "planaria", "seeds": [1, 2]}}
    study = study_of({"a": {"tested_on": ["planaria"], "models": models}})
    paths = []
    for name, losses in zip(study.runs, ([3, 1, 2], [1, 2, 3]), strict=True):
        paths.append(tmp_path / f"{name}.csv")
        pd.DataFrame({"epoch": [1, 2, 3], "val_loss": losses}).to_csv(paths[-1])
    losses = read_losses(paths, study)
    assert set(losses["model"]) == {"planaria-100"}
    assert losses[losses["is_kept"]].groupby("run")["epoch"].first().tolist() == [2, 1]
