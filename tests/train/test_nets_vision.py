"""MobileNetV2 as published, and with its batch norms folded."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs torch; install edgebench[train]")

from edgebench.errors import CardError  # noqa: E402
from edgebench.train.nets_vision import MobileNetV2, folded, mobilenet_v2  # noqa: E402


def trained(labels: int) -> MobileNetV2:
    """Random weights, and statistics that are not the ones a new batch norm has."""
    torch.manual_seed(0)
    net = MobileNetV2(labels)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
    return net.eval()


def test_it_has_the_published_number_of_parameters_and_names() -> None:
    net = MobileNetV2()
    assert sum(one.numel() for one in net.parameters()) == 3_504_872
    assert {"features.0.0.weight", "features.1.conv.1.weight", "features.17.conv.3.bias", "features.18.1.bias", "classifier.1.weight"} <= set(net.state_dict())


def test_folded_it_is_the_same_function_without_a_batch_norm() -> None:
    net, picture = trained(4), torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        wanted, found = net(picture), folded(copy.deepcopy(net))(picture)
    assert torch.allclose(found, wanted, atol=1e-5)
    assert not [one for one in folded(net).modules() if isinstance(one, torch.nn.BatchNorm2d)]


def test_weights_are_read_with_as_many_labels_as_they_have(tmp_path: Path) -> None:
    net = trained(4)
    torch.save(net.state_dict(), tmp_path / "net.pth")
    picture = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(mobilenet_v2(tmp_path / "net.pth")(picture), net(picture), atol=1e-5)


def test_a_file_that_holds_something_else_is_named(tmp_path: Path) -> None:
    torch.save({"weight": torch.ones(2)}, tmp_path / "net.pth")
    with pytest.raises(CardError, match=r"net\.pth is no state dict of MobileNetV2 \(KeyError"):
        mobilenet_v2(tmp_path / "net.pth")
