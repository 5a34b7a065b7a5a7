"""Cells and their nets: sizes as computed, no padding in any answer, the same answers from the files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.train.conftest import NEEDS

torch = pytest.importorskip("torch", reason=NEEDS)
pytest.importorskip("transformers", reason=NEEDS)

from edgebench.train import cells  # noqa: E402
from edgebench.train.cells import OPERATIONS, Architecture, CellNet, Edge  # noqa: E402
from edgebench.train.export import export, parity  # noqa: E402

ALL = Architecture(2, 4, tuple(Edge(at % 2, 2 + at // 3, name) for at, name in enumerate(OPERATIONS)))


@pytest.fixture
def net() -> CellNet:
    torch.manual_seed(0)
    made = cells.build(ALL, width=16, vocab=40, labels=3, positions=32).eval()
    for parameter in made.parameters():
        parameter.data += torch.randn_like(parameter) * 0.3
    return made


def padded(extra: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    ids = torch.randint(4, 40, (6, 9), generator=torch.Generator().manual_seed(1))
    mask = (torch.arange(9)[None] < torch.tensor([[9], [7], [5], [3], [2], [1]])).long()
    more = torch.full((6, extra), 17)
    return torch.cat([ids, more], dim=1), torch.cat([mask, more * 0], dim=1)


def test_a_cell_may_have_an_edge_from_everything_before_each_node() -> None:
    assert cells.all_edges(2) == [(0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
    assert len(cells.all_edges(3)) == 9  # as published


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_keeps_the_shape_and_has_the_computed_size(name: str) -> None:
    made = cells.operation(name, 16)
    assert made(torch.randn(2, 7, 16), torch.ones(2, 7, 1)).shape == (2, 7, 16)
    assert sum(one.numel() for one in made.parameters()) == cells.parameters(name, 16)


def test_pools_see_three_neighbours_and_no_padding() -> None:
    x, real = torch.tensor([[[-1.0], [-5.0], [-3.0], [9.0]]]), torch.tensor([[[1.0], [1.0], [1.0], [0.0]]])
    assert cells.Pool("max3")(x, real)[0, :3, 0].tolist() == [-1.0, -1.0, -3.0]
    assert cells.Pool("mean3")(x, real)[0, :3, 0].tolist() == [-2.0, -3.0, pytest.approx(-8 / 3)]


def test_padding_changes_no_answer(net: CellNet) -> None:
    with torch.no_grad():
        torch.testing.assert_close(net(*padded(7)).logits, net(*padded()).logits, atol=1e-5, rtol=0)
        assert net(*padded()).logits.std(0).min() > 0.05


def test_every_cell_adds_to_the_answer(net: CellNet) -> None:
    with torch.no_grad():
        one, two = net.prefixes(*padded())
        assert torch.equal(two, net(*padded()).logits)
    assert (one - two).abs().max() > 0.01


def test_words_start_as_the_best_projection_of_a_wider_table() -> None:
    torch.manual_seed(0)
    wide = torch.randn(40, 8) @ torch.randn(8, 24)  # eight directions, so that a width of 16 loses nothing
    net = cells.build(ALL, width=16, vocab=40, labels=2)
    cells.take_words(net, wide)
    cosines = [torch.nn.functional.cosine_similarity(table[:, None], table[None], dim=-1) for table in (wide, net.words.weight.detach())]
    torch.testing.assert_close(cosines[0], cosines[1], atol=1e-3, rtol=0)


@pytest.mark.parametrize("form", ["onnx", "torchscript", pytest.param("tflite", marks=pytest.mark.slow)])
def test_a_file_answers_as_the_net_does(net: CellNet, tmp_path: Path, form: str) -> None:
    for module in {"onnx": ("onnx",), "torchscript": (), "tflite": ("litert_torch", "ai_edge_quantizer")}[form]:
        pytest.importorskip(module, reason=f"export to {form} needs {module}; install edgebench[export]")
    full, small = export(net, tmp_path / "cells", variants=[f"{form}/fp32", f"{form}/int8"], lengths=(16,))
    assert parity(net, full, [padded(), padded(3)]).difference < 1e-4
    assert parity(net, small, [padded(), padded(3)]).difference < 0.1


def test_an_operation_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no operation 'conv9'; there are conv3"):
        cells.operation("conv9", 8)


@pytest.mark.parametrize("name", ["conv3", "dilated5"])
def test_a_convolution_in_training_gives_the_numbers_it_gives_in_use(name: str) -> None:
    torch.manual_seed(0)
    module, x, real = cells.operation(name, 8), torch.randn(3, 7, 8), torch.ones(3, 7, 1)
    assert torch.allclose(module.train()(x, real), module.eval()(x, real), atol=1e-6)
