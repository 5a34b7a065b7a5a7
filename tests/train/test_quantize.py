"""Scales taken out of weights: the function stays, and one step then suits every channel."""

from __future__ import annotations

import pytest

from tests.train.conftest import NEEDS

torch = pytest.importorskip("torch", reason=NEEDS)

from torch import nn  # noqa: E402

from edgebench.train.quantize import Scaled, scaled, scaled_words  # noqa: E402


class Net(nn.Module):
    """Words, a hidden list of layers, and one without a bias: what has to be found at every depth."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(10, 6)
        self.layers = nn.ModuleList(nn.Sequential(nn.Linear(6, 6), nn.Tanh()) for _ in range(2))
        self.last = nn.Linear(6, 3, bias=False)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.words(ids)
        for layer in self.layers:
            x = layer(x)
        return self.last(x)


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    made = Net()
    for parameter in made.parameters():  # channels of very different sizes
        parameter.data = parameter.data * torch.logspace(-3, 1, parameter.shape[0]).reshape(-1, *[1] * (parameter.ndim - 1))
    return made


@pytest.mark.parametrize("change", [scaled, scaled_words])
def test_the_function_is_unchanged(net: Net, change: type) -> None:
    ids = torch.arange(10).reshape(2, 5)
    with torch.no_grad():
        torch.testing.assert_close(change(net)(ids), net(ids), atol=1e-5, rtol=1e-5)


def test_a_linears_scale_is_the_largest_weight_of_each_output() -> None:
    layer = nn.Linear(2, 2)
    layer.weight.data = torch.tensor([[1.0, -4.0], [0.5, 0.25]])
    layer.bias.data = torch.tensor([2.0, 1.0])
    one = scaled(nn.Sequential(layer))[0]
    assert one.scale.tolist() == [4.0, 0.5]
    assert one.inner.weight.tolist() == [[0.25, -1.0], [1.0, 0.5]]
    assert one.inner.bias.tolist() == [0.5, 2.0]


def test_a_tables_scale_is_the_largest_entry_of_each_column() -> None:
    words = nn.Embedding(2, 2, _weight=torch.tensor([[1.0, -4.0], [0.5, 2.0]]))
    one = scaled(nn.Sequential(words))[0]
    assert one.scale.tolist() == [1.0, 4.0]
    assert one.inner.weight.tolist() == [[1.0, -1.0], [0.5, 0.5]]


def test_every_layer_at_every_depth_is_scaled_once(net: Net) -> None:
    def count(module: nn.Module) -> int:
        return sum(isinstance(one, Scaled) for one in module.modules())

    assert (count(scaled(net)), count(scaled_words(net))) == (4, 1)


def test_the_net_itself_is_left_alone(net: Net) -> None:
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    scaled(net), scaled_words(net)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_a_channel_of_zeros_gives_its_bias() -> None:
    layer = nn.Linear(2, 2)
    layer.weight.data = torch.tensor([[0.0, 0.0], [3.0, 1.0]])
    layer.bias.data = torch.tensor([1.5, 0.0])
    with torch.no_grad():
        torch.testing.assert_close(scaled(nn.Sequential(layer))(torch.tensor([[1.0, 2.0]])), torch.tensor([[1.5, 5.0]]))
