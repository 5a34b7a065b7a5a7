"""Small convolutional text classifiers made of cells, the space that AdaBERT (arXiv 2001.04246) searches.

A cell has two inputs, the outputs of the two cells before it, and nodes, each the sum of operations on earlier ones; its output is a weighted
sum of its nodes. After every cell the mean over real positions is a state; the head reads an attentive sum of the states so far.

Operations keep the shape (B, S, width). Convolutions are depthwise and pointwise, which keeps the published 6 to 10 million parameters, and end
in LayerNorm: batch statistics over padded positions would tell a sentence's length. What stands in the padding reaches no real position.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import msgspec
import torch
from torch import Tensor, nn

FAR_BELOW = -1e4  # what a maximum does not see
CONVOLUTIONS = {"conv3": (3, 1), "conv5": (5, 1), "conv7": (7, 1), "dilated3": (3, 2), "dilated5": (5, 2), "dilated7": (7, 2)}  # kernel, dilation
OPERATIONS = (*CONVOLUTIONS, "max3", "mean3", "identity", "zero")  # the published ten


class Edge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`operation` on place `source` for place `target`; places 0 and 1 are the cell's inputs, its nodes follow."""

    source: int
    target: int
    operation: str


class Architecture(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`depth` cells, each made of the same edges between `nodes` nodes."""

    depth: int
    nodes: int
    edges: tuple[Edge, ...]


def all_edges(nodes: int) -> list[tuple[int, int]]:
    """(source, target) of every edge that a cell may have: 2 + 3 + ... for each node one from all before it."""
    return [(source, target) for target in range(2, nodes + 2) for source in range(target)]


class Convolution(nn.Module):
    """ReLU, depthwise convolution over positions, a map over channels, LayerNorm."""

    def __init__(self, width: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, kernel, padding=dilation * (kernel // 2), dilation=dilation, groups=width)
        self.pointwise = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        seen, conv = (torch.relu(x) * real).transpose(1, 2), self.depthwise
        if self.training:  # the same numbers, of a picture one row high: PyTorch's gradient of a one-dimensional depthwise convolution takes twice as long
            rows = nn.functional.conv2d(
                seen.unsqueeze(2), conv.weight.unsqueeze(2), conv.bias, padding=(0, conv.padding[0]), dilation=(1, conv.dilation[0]), groups=conv.groups,
            )
            mixed = rows.squeeze(2).transpose(1, 2)
        else:
            mixed = conv(seen).transpose(1, 2)
        out: Tensor = self.norm(self.pointwise(mixed))
        return out


class Pool(nn.Module):
    """The largest or the mean of three neighbours."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        if self.kind == "mean3":
            return nn.functional.avg_pool1d((x * real).transpose(1, 2), 3, stride=1, padding=1).transpose(1, 2)
        seen = (x * real + (1.0 - real) * FAR_BELOW).transpose(1, 2)
        return nn.functional.max_pool1d(seen, 3, stride=1, padding=1).transpose(1, 2)


class Same(nn.Module):
    """x, or nothing of it."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        return x * self.share


def operation(name: str, width: int) -> nn.Module:
    """The module of that name: (B, S, width) states and (B, S, 1) 1/0 -> (B, S, width)."""
    if name in CONVOLUTIONS:
        return Convolution(width, *CONVOLUTIONS[name])
    if name in ("max3", "mean3"):
        return Pool(name)
    if name in ("identity", "zero"):
        return Same(float(name == "identity"))
    raise ValueError(f"there is no operation {name!r}; there are {', '.join(OPERATIONS)}")


def parameters(name: str, width: int) -> int:
    """Numbers that the operation learns."""
    if name not in CONVOLUTIONS:
        return 0
    kernel, _ = CONVOLUTIONS[name]
    return (kernel + 1) * width + (width + 1) * width + 2 * width


def operations_per_position(name: str, width: int) -> int:
    """Multiplications for one position of a sentence (additions and comparisons of a pool count as one)."""
    if name in CONVOLUTIONS:
        return CONVOLUTIONS[name][0] * width + width * width
    return 3 * width if name in ("max3", "mean3") else 0


class Cell(nn.Module):
    """The operations on each edge: one, or the candidates of a search, which `gates` then weigh."""

    def __init__(self, width: int, nodes: int, edges: Sequence[tuple[int, int, Sequence[str]]]) -> None:
        super().__init__()
        self.places = [(source, target) for source, target, _ in edges]
        self.edges = nn.ModuleList(nn.ModuleList(operation(name, width) for name in names) for _, _, names in edges)
        self.weights = nn.Parameter(torch.zeros(nodes))
        self.nodes = nodes

    def forward(self, first: Tensor, second: Tensor, real: Tensor, gates: Tensor | None = None) -> Tensor:
        """`gates` are (edges, candidates); without them every edge has one operation."""
        places: list[Tensor] = [first, second]
        for target in range(2, self.nodes + 2):
            total = torch.zeros_like(first)
            for at, (source, into) in enumerate(self.places):
                if into != target:
                    continue
                for number, module in enumerate(self.edges[at]):
                    total = total + (module(places[source], real) if gates is None else _gated(module, places[source], real, gates[at, number]))
            places.append(total)
        share = torch.softmax(self.weights, dim=0)
        return torch.stack([share[at] * node for at, node in enumerate(places[2:])]).sum(0)


def _gated(module: nn.Module, x: Tensor, real: Tensor, gate: Tensor) -> Tensor:
    """gate * module(x). Through a gate of 0 no gradient reaches the module or x, only the gate: where it learns the module's output is
    needed, else nothing is."""
    if gate.item() != 0:
        return gate * module(x, real)
    if not gate.requires_grad:
        return torch.zeros_like(x)
    with torch.no_grad():
        part = module(x, real)
    return gate * part


class CellNet(nn.Module):
    """Words and places, cells, and a head that reads all states up to any depth. `states` and `logits_at` serve search and probes."""

    def __init__(self, *, cells: Sequence[Cell], width: int, vocab: int, labels: int, positions: int = 512, dropout: float = 0.1) -> None:
        super().__init__()
        self.words = nn.Embedding(vocab, width)
        self.places = nn.Parameter(torch.randn(positions, width) * 0.02)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.cells = nn.ModuleList(cells)
        self.attention = nn.Parameter(torch.zeros(len(cells) + 1))
        self.classifier = nn.Linear(width, labels)
        nn.init.normal_(self.words.weight, std=0.02)
        self.config = SimpleNamespace(max_position_embeddings=positions, num_labels=labels, vocab_size=vocab, hidden_size=width)

    def states(self, input_ids: Tensor, attention_mask: Tensor, gates: Tensor | None = None) -> list[Tensor]:
        """(B, width) after the embedding and after each cell: the means over real positions."""
        real = attention_mask.to(self.norm.weight.dtype).unsqueeze(-1)
        x = self.dropout(self.norm(self.words(input_ids) + self.places[: input_ids.shape[1]]))
        before, count = x, real.sum(1)
        found = [(x * real).sum(1) / count]
        for cell in self.cells:
            before, x = x, cell(before, x, real, gates)
            found.append((x * real).sum(1) / count)
        return found

    def logits_at(self, states: Sequence[Tensor], depth: int) -> Tensor:
        """(B, C) from the states 0..depth."""
        share = torch.softmax(self.attention[: depth + 1], dim=0)
        mixed = torch.stack([share[at] * states[at] for at in range(depth + 1)]).sum(0)
        logits: Tensor = self.classifier(self.dropout(torch.tanh(mixed)))
        return logits

    def prefixes(self, input_ids: Tensor, attention_mask: Tensor, gates: Tensor | None = None) -> list[Tensor]:
        """(B, C) logits of the first cell, the first two, and so on."""
        states = self.states(input_ids, attention_mask, gates)
        return [self.logits_at(states, depth) for depth in range(1, len(states))]

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SimpleNamespace:
        """`logits` of all cells, as a BERT classifier gives them."""
        return SimpleNamespace(logits=self.logits_at(self.states(input_ids, attention_mask), len(self.cells)))

    def exported(self) -> nn.Module:
        """(ids, mask) -> logits, for the exporters."""
        return _Plain(self)


class _Plain(nn.Module):
    def __init__(self, net: CellNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        logits: Tensor = self.net(input_ids, attention_mask).logits
        return logits


def build(architecture: Architecture, *, width: int, vocab: int, labels: int, positions: int = 512, dropout: float = 0.1) -> CellNet:
    """The net of a found architecture, with random weights."""
    edges = [(one.source, one.target, [one.operation]) for one in architecture.edges]
    cells = [Cell(width, architecture.nodes, edges) for _ in range(architecture.depth)]
    return CellNet(cells=cells, width=width, vocab=vocab, labels=labels, positions=positions, dropout=dropout)


@torch.no_grad()
def take_words(net: CellNet, table: Tensor) -> None:
    """Start the table of words at the best projection of another one (V, d) onto the net's width, scaled; of a narrower one, all of it."""
    width = min(net.words.weight.shape[1], table.shape[1])
    _, vectors = torch.linalg.eigh((table.T @ table).double())  # ascending
    projected = table.double() @ vectors.flip(1)[:, :width]
    net.words.weight[:, :width] = (projected / projected.std() * 0.5).to(net.words.weight.dtype)
