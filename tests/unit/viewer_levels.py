"""Sections of the viewer's page, back from what it holds."""

import base64

import imagecodecs

from denoising.restoration.viewer_page import LEVELS


def png(text):
    """The levels of a PNG in base64."""
    return imagecodecs.png_decode(base64.b64decode(text))


def decoded(image, kind, axes="xy"):
    """The values of a section, as the page computes them."""
    of_kind = LEVELS[kind]
    share = (png(image[axes]) / 255) ** of_kind.power
    return of_kind.low + (of_kind.high - of_kind.low) * share
