"""Pictures made anew keep what they show: in range, at the right size, moved and lit a little."""

import pytest
import torch
from byod_torch.augmentation import Augmentation, _lit, _moves, mixed
from torch.nn.functional import affine_grid, grid_sample


def _applied(images, chance, crop=1.0):
    grid = affine_grid(_moves(chance, crop), list(images.shape), align_corners=False)
    return grid_sample(images, grid, padding_mode="reflection", align_corners=False)


MIDDLE = torch.tensor([[0.9, 0.5, 0.0, 0.5, 0.5, 0.5]])
"""No mirror, no turn, no zoom, no shift."""


def test_nothing_moves_in_the_middle_of_all_chances():
    """With no turn, zoom or shift the picture is itself; with the mirror's chance it is its mirror image."""
    images = torch.rand(1, 3, 16, 16)
    assert torch.allclose(_applied(images, MIDDLE), images, atol=1e-5)
    mirrored = MIDDLE.clone()
    mirrored[0, 0] = 0.1
    assert torch.allclose(_applied(images, mirrored), images.flip(3), atol=1e-5)


def test_a_turn_keeps_shapes():
    """Turned to the right and back to the left, a picture is what it was: nothing is sheared."""
    images = torch.zeros(1, 3, 64, 64)
    images[:, :, 20:44, 28:36] = 1
    right, left = MIDDLE.clone(), MIDDLE.clone()
    right[0, 1], left[0, 1] = 1.0, 0.0
    back = _applied(_applied(images, right), left)
    assert (back - images).abs().mean() < 0.02
    for mirror in (0.1, 0.9):
        right[0, 0] = mirror
        turned = _applied(images, right)
        assert turned.sum() == pytest.approx(float(images.sum()), rel=0.01)


@pytest.mark.parametrize("crop", [1.0, 0.7])
def test_size_and_range_are_kept(crop):
    """Whatever comes in, what comes out has the net's size and stays between 0 and 1, and each picture differs."""
    torch.manual_seed(0)
    images = torch.rand(1, 3, 40, 40).expand(8, -1, -1, -1)
    made = Augmentation(32, crop)(images)
    assert made.shape == (8, 3, 32, 32)
    assert 0 <= made.min() <= made.max() <= 1
    assert len({round(float(picture.mean()), 6) for picture in made}) == 8
    torch.manual_seed(0)
    assert torch.equal(made, Augmentation(32, crop)(torch.rand(1, 3, 40, 40).expand(8, -1, -1, -1)))


def test_a_crop_shows_as_much_as_it_should():
    """From scratch at least 70 % of the area is shown, in a moderate aspect, and never more than there is."""
    torch.manual_seed(0)
    chance = torch.rand(500, 6)
    chance[:, 1] = 0.5
    moves = _moves(chance, 0.7)
    width, height = moves[:, 0, 0].abs(), moves[:, 1, 1]
    assert (width * height).min() > 0.7 * 0.85  # a long side that does not fit is cut
    assert torch.maximum(width, height).max() <= 1 + 1e-6
    assert (width / height).log().abs().max() <= 0.2878
    assert (moves[:, 0, 2].abs() + width).max() <= 1 + 1e-5
    assert (moves[:, 1, 2].abs() + height).max() <= 1 + 1e-5


def test_light_changes_and_comes_back():
    """In the middle of its chances light stays as it is; at the ends it is darker or brighter."""
    images = torch.rand(3, 3, 8, 8) * 0.5 + 0.2
    lit = _lit(images, torch.tensor([[0.5, 0.5], [0.5, 0.0], [0.5, 1.0]]))
    assert torch.allclose(lit[0], images[0], atol=1e-5)
    assert lit[1].mean() < images[1].mean()
    assert lit[2].mean() > images[2].mean()


def test_mixup_blends_picture_and_label_alike():
    """The share of a picture is the share of its label, and never below one half."""
    torch.manual_seed(0)
    count = 16
    images = torch.eye(count).view(count, 1, 1, count).expand(-1, 3, 4, -1)
    blended, targets = mixed(images, torch.eye(count), 0.4)
    assert torch.allclose(blended[:, 0, 0, :], targets, atol=1e-6)
    assert torch.allclose(targets.sum(1), torch.ones(count))
    assert (targets.diagonal() >= 0.5).all()
    assert (targets.diagonal() < 1).any()
