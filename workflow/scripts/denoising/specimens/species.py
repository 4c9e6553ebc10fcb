"""Simulated species: what their tissue and nuclei look like, and how they are imaged."""

from dataclasses import dataclass

import numpy as np

from denoising.specimens.microscopes import POINT_SCANNING, SPINNING_DISK, Microscope


@dataclass(frozen=True)
class Preparation:
    """How specimens were made ready; with what it changes against the species' own values."""

    stem: str  # of file names; {} takes the number
    first: int = 1  # the first number
    brightness: float = 1.0  # of the nuclei
    background: float = 1.0  # of the light beside the nuclei


@dataclass(frozen=True)
class Species:
    """A labelled specimen, and how it was imaged. Light is relative to a typical nucleus."""

    name: str
    archive: str  # the top folder
    layout: str  # "folders", one per condition, or "stacks", a channel per condition
    microscope: Microscope
    preparations: tuple[Preparation, ...]  # volumes take turns
    exposures: tuple[float, float, float]  # of conditions 1 to 3, as a share of the ground truth's
    photons: float  # per voxel of a typical nucleus at the stack's first plane, at exposure 1
    # the body: an ellipsoid, nearly flat on the scale of a stack
    body_um: tuple[float, float, float]  # semi-axes along Z, across and along
    aside: tuple[float, float]  # where the stack lies across the body, in semi-axes
    surface: tuple[float, float]  # where it crosses mid-field, in depths of the stack
    roughness_um: float
    # the nuclei
    radii_um: tuple[float, ...]
    radii_share: tuple[float, ...]
    elongation: float  # longest axis over shortest, at most
    gap_um: float  # least distance between nuclei
    attempts_per_um3: float  # nuclei that try to find a place
    layer_um: tuple[float, float]  # below the surface, where nuclei have their centres
    empty: tuple[float, float]  # share of tissue without nuclei, and grain, um
    spread: float  # of brightness among nuclei: standard deviation of its logarithm
    condensed: tuple[float, float]  # share of dividing nuclei, and their brightness
    texture: tuple[float, float]  # of chromatin: standard deviation of its logarithm, and grain, um
    # light beside the nuclei
    cytoplasm: float
    core: float  # the same deeper than `core_um` below the surface
    core_um: float
    mottle: tuple[float, float]  # of that light, as texture
    attenuation_um: float  # depth over which excitation and emission together fall to 1/e
    aberration: float  # width of the PSF in tissue over that of diffraction alone


# Sizes and brightness are of the order seen in such specimens, and set so that inputs score about
# as the published ones do. An uneven refractive index widens the PSF; how much is assumed.
SPECIES = {
    # A flat worm, seen at its margin. Small nuclei (4 to 7 um) of stem cells and their progeny
    # crowd the parenchyma; gut branches have few. A DNA dye shows the grain of chromatin, and
    # dividing nuclei as far brighter than others. Pigment and scatter dim the image within a few
    # cell layers. Living tissue takes up less dye and keeps more of it outside nuclei than fixed,
    # washed tissue.
    "planaria": Species(
        name="planaria",
        archive="Denoising_Planaria",
        layout="folders",
        microscope=SPINNING_DISK,
        preparations=(
            Preparation("EXP278_Smed_fixed_RedDot1_sub_5_N7_m{:04d}"),
            Preparation(
                "EXP280_Smed_live_RedDot1_sub_5_N7_m{:04d}", brightness=0.8, background=1.5
            ),
        ),
        exposures=(1 / 30, 1 / 60, 1 / 150),  # about the 60-fold less light of the CARE paper
        photons=350.0,
        body_um=(100.0, 300.0, 2000.0),
        aside=(0.72, 0.88),
        surface=(0.0, 0.3),
        roughness_um=1.5,
        radii_um=(3.5, 2.7, 2.1),
        radii_share=(0.2, 0.5, 0.3),
        elongation=1.25,
        gap_um=0.1,
        attempts_per_um3=0.06,
        layer_um=(2.0, np.inf),
        empty=(0.15, 12.0),
        spread=0.4,
        condensed=(0.02, 3.0),
        texture=(0.35, 0.6),
        cytoplasm=0.06,
        core=0.06,
        core_um=np.inf,
        mottle=(0.3, 4.0),
        attenuation_um=35.0,
        aberration=1.5,
    ),
    # An egg whose surface curves through the stack: a shell of large smooth nuclei (8 to 10 um),
    # one or two deep, around yolk that glows by itself and scatters. The label is expressed
    # unevenly, but leaves a nucleus that divides, so none is far brighter. Exposures are the laser
    # powers in the file names.
    "tribolium": Species(
        name="tribolium",
        archive="Denoising_Tribolium",
        layout="stacks",
        microscope=POINT_SCANNING,
        preparations=(Preparation("nGFP_0.1_0.2_0.5_20_{}_late", first=13),),
        exposures=(0.1 / 20, 0.2 / 20, 0.5 / 20),
        photons=900.0,
        body_um=(150.0, 150.0, 300.0),
        aside=(-0.3, 0.3),
        surface=(-0.1, 0.2),
        roughness_um=0.8,
        radii_um=(5.2, 4.6, 4.0),
        radii_share=(0.2, 0.4, 0.4),
        elongation=1.25,
        gap_um=0.5,
        attempts_per_um3=0.04,
        layer_um=(5.0, 15.0),
        empty=(0.05, 20.0),
        spread=0.4,
        condensed=(0.0, 1.0),
        texture=(0.12, 1.2),
        cytoplasm=0.06,
        core=0.15,
        core_um=18.0,
        mottle=(0.5, 3.0),
        attenuation_um=50.0,
        aberration=2.0,
    ),
}
