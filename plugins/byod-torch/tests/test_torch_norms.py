"""Batch norms judged by what the pictures are, not by what they were some epochs ago."""

import torch
from byod_torch import batch_norm
from torch import nn


def _net():
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.ReLU())


def test_statistics_are_those_of_the_pictures():
    """Mean and variance become those over all batches; weights, momentum and modes stay."""
    torch.manual_seed(0)
    model = _net()
    model[1].train()
    weight = model[0].weight.detach().clone()
    batches = [torch.rand(8, 3, 5, 5) for _ in range(4)]
    batch_norm.measure(model, model.state_dict(), batches)
    with torch.no_grad():
        maps = model[0](torch.cat(batches))
    assert torch.allclose(model[1].running_mean, maps.mean((0, 2, 3)), atol=1e-5)
    assert torch.allclose(model[1].running_var, maps.var((0, 2, 3)), rtol=0.05)
    assert torch.equal(model[0].weight, weight)
    assert (model[1].momentum, model[1].training, model[2].training) == (0.1, True, True)


def test_an_average_is_measured_with_its_own_weights():
    """Given other weights, their statistics are measured, and the net's own stay."""
    torch.manual_seed(0)
    model = _net().eval()
    other = {name: value.clone() for name, value in model.state_dict().items()}
    other["0.weight"] *= 3
    other["0.bias"].zero_()
    before = model[1].running_mean.clone()
    images = torch.rand(8, 3, 5, 5)
    batch_norm.measure(model, other, [images])
    with torch.no_grad():
        maps = nn.functional.conv2d(images, other["0.weight"])
    assert torch.allclose(other["1.running_mean"], maps.mean((0, 2, 3)), atol=1e-5)
    assert torch.equal(model[1].running_mean, before)
    assert not model.training


def test_512_pictures_are_enough():
    """No more batches are asked for than are needed, and none for a net without batch norms."""
    asked = []

    def batches():
        while True:
            asked.append(1)
            yield torch.rand(100, 3, 2, 2)

    batch_norm.measure(_net(), _net().state_dict(), batches())
    assert len(asked) == 6
    plain = nn.Sequential(nn.Conv2d(3, 4, 1))
    batch_norm.measure(plain, plain.state_dict(), batches())
    assert len(asked) == 6
