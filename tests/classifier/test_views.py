import numpy as np
import pytest
import torch

from deployments.classifier.views import GRID, crops, views


@pytest.mark.parametrize(("height", "width"), [(64, 64), (256, 128), (33, 7), (1, 1), (2, 3)])
def test_any_size_gives_the_same_number_of_views_of_the_models_size(height, width):
    seen = views(np.zeros((height, width, 3), np.uint8), 32)
    assert seen.shape == (1 + GRID**2, 3, 32, 32)


def test_values_run_from_minus_one_to_one():
    black, white = (
        views(np.zeros((8, 8, 3), np.uint8), 4),
        views(np.full((8, 8, 3), 255, np.uint8), 4),
    )
    assert (black == -1).all()
    assert (white == 1).all()


def test_a_larger_picture_is_averaged_and_not_sampled():
    checkered = np.zeros((64, 64, 3), np.uint8)
    checkered[::2, ::2] = checkered[1::2, 1::2] = 254
    whole = views(checkered, 32)[0]
    assert torch.allclose(whole, torch.full_like(whole, 127 / 127.5 - 1), atol=1e-5)


def test_crops_cover_every_pixel_and_whatever_is_no_larger_than_a_quarter():
    for y in range(0, 64 - 16):
        inside = [c for c, _ in crops(64, 64) if c.start <= y and y + 16 <= c.stop]
        assert inside, f"a thing 16 pixels high at {y} is whole in no crop"
    covered = np.zeros((65, 63), bool)
    for rows, columns in crops(65, 63):
        covered[rows, columns] = True
    assert covered.all()


def test_crops_show_small_things_twice_as_large():
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[4:8, 4:8] = 255
    seen = views(pixels, 64)
    assert (seen[0] > 0).sum() == 3 * 16
    assert (seen[1] > 0).sum() == 3 * 64
