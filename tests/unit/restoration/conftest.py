"""A clean image and the same under noise, in three and in two dimensions."""

import pytest
from noisy_images import blobs, with_noise


@pytest.fixture(params=[(14, 20, 26), (40, 46)], ids=["3D", "2D"])
def clean(request):
    return blobs(request.param)


@pytest.fixture
def noisy(clean):
    return with_noise(clean)
