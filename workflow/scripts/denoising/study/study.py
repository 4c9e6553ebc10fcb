"""The resolved study: what a config describes, as frozen dataclasses.

`study.config.resolve` makes them; rules, tables and figures read their attributes. The `name` of an
entry is its key in the mappings of `Study`.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from denoising.study.names import ELSEWHERE
from denoising.study.restoration import NewImages, Restoration
from denoising.study.sources import Archive, Npz, Pairs, Simulation
from denoising.study.training import Compute, Training


@dataclass(frozen=True)
class Condition:
    """One low-SNR condition of a dataset, and the archive's folder or channel that holds it.

    `exposure` is a share of the ground truth's, or None where it is not known.
    """

    name: str
    source: str | int
    exposure: float | None = None


@dataclass(frozen=True)
class PatchSettings:
    """Which patches train: cut from volumes, or those of an npz.

    `shape` is in voxels; `axes` are those of the npz's arrays, None where it names them itself;
    `percentiles` are those of an image that are 0 and 1 for the network.
    """

    source: str
    shape: tuple[int, ...]
    axes: str | None
    per_volume: int
    percentiles: tuple[float, float]


@dataclass(frozen=True)
class NucleiSettings:
    """How nuclei are found: the diameter of a typical one in micrometres, and the contrast, as a
    fraction of the ground truth's range, above which a blob in the ground truth is one.
    """

    diameter: float
    contrast: float


@dataclass(frozen=True)
class Dataset:
    """Images with ground truth: where they come from, their axes, conditions and patches.

    `conditions` are ordered by quality, the cleanest first. `published` names the organism whose
    published numbers stand beside this dataset's, or is None. `voxel_size` is in micrometres, in
    the order of `axes`. `nuclei` is None where nuclei are not scored.
    """

    name: str
    label: str
    table: str
    published: str | None
    axes: str
    source: Simulation | Archive | Pairs | Npz
    layout: str
    truth: str | int
    conditions: tuple[Condition, ...]
    stratum: str | None
    voxel_size: tuple[float, ...] | None
    nuclei: NucleiSettings | None
    patches: PatchSettings

    @property
    def condition_names(self) -> list[str]:
        """Names of the low-SNR conditions, the cleanest first."""
        return [condition.name for condition in self.conditions]

    @property
    def exposures(self) -> dict[str, float]:
        """The exposure of each condition as a share of the ground truth's; empty if not known."""
        known = {c.name: c.exposure for c in self.conditions if c.exposure is not None}
        return known if len(known) == len(self.conditions) else {}

    def short_label(self, name: str) -> str:
        """A condition by its name, such as "C1"."""
        return f"C{name}" if name.isdigit() else name

    def condition_label(self, name: str) -> str:
        """A condition named by its quality, such as "cleanest (C1)"."""
        short = self.short_label(name)
        names = self.condition_names
        if len(names) > 1 and name in (names[0], names[-1]):
            return f"{'cleanest' if name == names[0] else 'noisiest'} ({short})"
        return short

    @property
    def patch_axes(self) -> str:
        """Axes of a patch, and of the networks trained on it: YX may be planes of stacks."""
        return self.axes[-len(self.patches.shape) :]

    @property
    def may_train_on_planes(self) -> bool:
        """Whether patches of Y and X can be cut from its stacks."""
        return self.axes == "ZYX" and self.patches.source == "volumes" and not self.is_simulated

    @property
    def is_simulated(self) -> bool:
        return isinstance(self.source, Simulation)

    @property
    def is_archive(self) -> bool:
        return isinstance(self.source, Archive)

    @property
    def is_pairs(self) -> bool:
        return isinstance(self.source, Pairs)

    @property
    def is_npz(self) -> bool:
        return isinstance(self.source, Npz)


@dataclass(frozen=True)
class Model:
    """A network with its settings: trained once per seed, tested on `tested_on`.

    `pretrained` is the folder of a network that was made elsewhere. Its settings are those that its
    folder tells, and nothing trains it. `channels` are the datasets that a network of several
    channels takes together, in its order; it is tested on one after the other.
    """

    name: str
    training: Training
    seeds: tuple[int, ...]
    tested_on: tuple[str, ...]
    pretrained: str | None = None
    channels: tuple[str, ...] = ()

    @property
    def trained_on(self) -> str:
        """The dataset that the network was trained on, or `ELSEWHERE`."""
        return ELSEWHERE if self.pretrained else self.training.trained_on

    @property
    def patches_of(self) -> str:
        """The dataset whose patches train the network, or calibrate one that is pretrained."""
        return self.training.trained_on

    @property
    def is_calibrated(self) -> bool:
        """Whether it predicts the scale of its error, for patches of a single channel."""
        return self.training.is_probabilistic and not self.channels

    @property
    def is_cross_tested(self) -> bool:
        """Whether it is tested on a dataset that it was not trained on, but could have been."""
        return not self.pretrained and bool(set(self.tested_on) - {self.trained_on})

    @property
    def run_seeds(self) -> dict[str, int]:
        """Name to seed of the model's runs, in the order of its seeds."""
        if len(self.seeds) == 1:
            return {self.name: self.seeds[0]}
        return {f"{self.name}-seed{seed}": seed for seed in self.seeds}

    @property
    def runs(self) -> list[str]:
        """Names of the model's runs."""
        return list(self.run_seeds)

    @property
    def ensemble(self) -> str | None:
        """Name of the mean of the model's runs; None for a model with one run."""
        return f"{self.name}-ensemble" if len(self.seeds) > 1 else None

    @property
    def methods(self) -> list[str]:
        """The methods that are scored: each run, and their ensemble."""
        return [*self.runs, *([self.ensemble] if self.ensemble else [])]


@dataclass(frozen=True)
class Run:
    """One training of a model, with one seed; or a network made elsewhere."""

    name: str
    model: str
    seed: int


@dataclass(frozen=True)
class Comparison:
    """Models that one study of the config lists side by side; it varies nothing."""

    name: str
    models: tuple[str, ...]


@dataclass(frozen=True)
class Sweep:
    """Models that differ in one setting, in the order of its value, a base among them.

    `matched` is the second arm, in which every model sees as many patches as the base; it is empty
    where the config asks for none.
    """

    name: str
    figure: str
    varies: str
    base: str | None
    models: tuple[str, ...]
    matched: tuple[str, ...]

    @property
    def all_models(self) -> list[str]:
        """The models of both arms, each once."""
        return list(dict.fromkeys([*self.models, *self.matched]))


@dataclass(frozen=True, repr=False)
class Study:
    """Everything that a config describes.

    `config` is the config with its defaults filled in, which is a config again.
    """

    title: str
    note: str
    seed: int
    validation_fraction: float
    datasets: Mapping[str, Dataset]
    models: Mapping[str, Model]
    comparisons: Mapping[str, Comparison]
    sweeps: Mapping[str, Sweep]
    baselines: tuple[str, ...]
    protocols: tuple[str, ...]
    device: str
    compute: Compute
    restoration: Restoration
    restore: NewImages | None
    tensorboard: bool
    config: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"Study({self.title!r}, {self.digest!r})"

    @cached_property
    def runs(self) -> dict[str, Run]:
        """One for each seed of each model."""
        return {
            name: Run(name, model.name, seed)
            for model in self.models.values()
            for name, seed in model.run_seeds.items()
        }

    @cached_property
    def trainings(self) -> dict[str, Run]:
        """The runs that are trained here."""
        return {name: run for name, run in self.runs.items() if not self.pretrained(name)}

    def pretrained(self, run: str) -> str | None:
        """The folder of a run's network, if it was made elsewhere."""
        return self.models[self.runs[run].model].pretrained

    @cached_property
    def ensembles(self) -> dict[str, str]:
        """Name of each ensemble, and of the model whose runs it averages."""
        return {m.ensemble: m.name for m in self.models.values() if m.ensemble}

    @cached_property
    def tested_datasets(self) -> list[str]:
        """Datasets that a model is tested on, in the config's order."""
        tested = {dataset for model in self.models.values() for dataset in model.tested_on}
        return [name for name in self.datasets if name in tested]

    @property
    def datasets_with_nuclei(self) -> list[str]:
        """Test sets whose nuclei are scored, in the config's order."""
        return [name for name in self.tested_datasets if self.datasets[name].nuclei]

    @property
    def patched_datasets(self) -> list[str]:
        """Datasets whose patches train or calibrate a network, in alphabetical order."""
        return sorted({model.patches_of for model in self.models.values()})

    @property
    def stratified_datasets(self) -> list[str]:
        """Tested datasets whose volume names tell a stratum."""
        return [name for name in self.tested_datasets if self.datasets[name].stratum]

    @property
    def published_datasets(self) -> list[str]:
        """Tested datasets that stand beside published numbers."""
        return [name for name in self.tested_datasets if self.datasets[name].published]

    @property
    def calibrated(self) -> list[tuple[str, str]]:
        """Method and test set of restorations whose networks predict the scale of their error."""
        models = [m for m in self.models.values() if m.is_calibrated]
        return [(name, dataset) for m in models for name in m.methods for dataset in m.tested_on]

    @cached_property
    def probabilistic_methods(self) -> list[str]:
        """Runs whose networks predict the scale of their error, and ensembles of such runs."""
        models = [m for m in self.models.values() if m.is_calibrated]
        return [method for model in models for method in model.methods]

    def runs_behind(self, method: str) -> list[str]:
        """The runs that a method consists of: itself, or those of its model."""
        if method in self.runs:
            return [method]
        return self.models[self.ensembles.get(method, method)].runs

    @property
    def trains_once(self) -> bool:
        """Whether a model is trained once: its differences are those of two trainings."""
        return any(len(model.seeds) == 1 for model in self.models.values())

    @property
    def is_cross_tested(self) -> bool:
        """Whether a model is tested on a dataset that it was not trained on."""
        return any(model.is_cross_tested for model in self.models.values())

    @property
    def matched_models(self) -> dict[str, str]:
        """Models of the sample-matched arms, and the model that each matches."""
        pairs = [
            pair
            for sweep in self.sweeps.values()
            for pair in zip(sweep.matched, sweep.models, strict=False)
        ]
        return {matched: model for matched, model in pairs if matched != model}

    @property
    def compared_models(self) -> list[str]:
        """Models of the comparisons, and models tested on a dataset they were not trained on."""
        listed = {model for comparison in self.comparisons.values() for model in comparison.models}
        crossed = {model.name for model in self.models.values() if model.is_cross_tested}
        return [name for name in self.models if name in listed | crossed]

    def training_of(self, name: str) -> Training:
        """Settings of a model, or of an ensemble's model."""
        return self.models[self.ensembles.get(name, name)].training

    def with_ensembles(self, models: Iterable[str]) -> list[str]:
        """The models, each followed by its ensemble, where it has one."""
        names = ((name, self.models[name].ensemble) for name in models)
        return [name for pair in names for name in pair if name]

    def models_tested_on(self, dataset: str) -> Iterator[Model]:
        return (model for model in self.models.values() if dataset in model.tested_on)

    def models_with_patches_of(self, dataset: str) -> Iterator[Model]:
        return (model for model in self.models.values() if model.patches_of == dataset)

    def example_run(self, dataset: str) -> str:
        """The run whose restorations figure 2 shows.

        It is the first run of the first model that is trained and tested on the dataset, else of
        the first model tested on it.
        """
        tested = list(self.models_tested_on(dataset))
        own = [model for model in tested if model.trained_on == dataset]
        return (own or tested)[0].runs[0]

    @cached_property
    def digest(self) -> str:
        """Hash of what tables and figures speak of, without the device and the images' source."""
        return _digest(self)


def _digest(study: Study) -> str:
    nowhere = Archive(None, None, None)
    spoken_of = [
        study.title,
        study.note,
        [replace(dataset, source=nowhere) for dataset in study.datasets.values()],
        list(study.models.values()),
        study.comparisons,
        study.sweeps,
        study.baselines,
        study.protocols,
    ]
    return hashlib.sha256(repr(spoken_of).encode()).hexdigest()[:12]
