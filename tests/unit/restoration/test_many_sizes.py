"""Images of many sizes, cut into the same few tiles, are restored as in one piece."""

from random_networks import assert_equal, image, random_network, restored

from denoising.restoration.restorer import Restorer


def test_images_are_restored_as_in_one_piece():
    """Of eight sizes, by a network that sees 8 voxels far."""
    model = random_network("YX", 1, 3, False)
    restorer = Restorer(model, 10**6, graph_voxels=10**9)
    for number in range(8):
        noisy = image((60 + 4 * number, 90 - 6 * number))
        mean, _ = restored(restorer, noisy, "YX")
        assert_equal(mean, model.predict(noisy, "YX", normalizer=None))
    assert len(restorer.shapes.known) < 8
