"""AdaBERT (arXiv 2001.04246): the cell and the number of cells are searched by gradient, for the task and for a cost.

    net = Supernet(space, width=128, ...)                             # every operation on every edge, every depth
    train(search_loss(net, half, other), net, half.examples, schedule)  # weights on one half of the data, choices on the other
    found = derive(net);  small = inherit(net, found)                 # the chosen cell, with its trained weights

A choice is a Gumbel-softmax sample, straight through: forward the one operation drawn, backward all in their shares. The loss is
(1 - gamma) cross entropy + gamma distillation from the teacher's probes + beta x cost. In the public re-implementation costs are nearly
equal, so that beta presses on the depth alone; here they are the true sizes and products, divided by the largest, and `zero` costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor, nn

from edgebench.train.cells import OPERATIONS, Architecture, Cell, CellNet, Edge, all_edges, build, operations_per_position, parameters
from edgebench.train.data import Batch, Examples, collate, in_order
from edgebench.train.distill import soft_cross_entropy
from edgebench.train.loop import Loss, Schedule, train
from edgebench.train.nets import Net

COLDEST = 0.2  # the temperature at the end; it starts at 1
EDGES_KEPT = 2  # of those into a node
UNKNOWN = -1  # the label of a sentence that has none


@dataclass(frozen=True)
class Space:
    """What is chosen from: 1 to `deepest` cells of `nodes` nodes, `operations` on each edge; published: 8, 3, all ten."""

    deepest: int = 8
    nodes: int = 3
    operations: tuple[str, ...] = OPERATIONS


class Supernet(CellNet):
    """All of a space at once. `choice` (edges, operations) and `depth` are the architecture's parameters, scaled by `gain`: how many times faster
    they learn than the weights, for the loop has one rate (published: 3e-4 by Adam beside 2e-2 by SGD)."""

    def __init__(self, space: Space, *, width: int, vocab: int, labels: int, positions: int = 512, dropout: float = 0.1, gain: float = 10.0) -> None:
        edges = [(source, target, space.operations) for source, target in all_edges(space.nodes)]
        cells = [Cell(width, space.nodes, edges) for _ in range(space.deepest)]
        super().__init__(cells=cells, width=width, vocab=vocab, labels=labels, positions=positions, dropout=dropout)
        self.space, self.gain = space, gain
        self.choice = nn.Parameter(torch.zeros(len(edges), len(space.operations)))
        self.depth = nn.Parameter(torch.zeros(space.deepest))
        self.step = nn.Buffer(torch.zeros((), dtype=torch.int64))  # kept in checkpoints, as is the temperature by it

    def temperature(self, steps: int, after: int = 0) -> float:
        """From 1 to `COLDEST`, by equal ratios over the steps from `after` to `steps`."""
        return float(min(1.0, max(COLDEST, COLDEST ** ((int(self.step) - after) / max(1, steps - after)))))

    def draw(self, temperature: float) -> tuple[Tensor, Tensor]:
        """One sample of (edges, operations) and (depths,): ones and zeros, with the gradients of the soft samples."""
        return _straight(self.choice * self.gain, temperature), _straight(self.depth * self.gain, temperature)

    def shares(self) -> tuple[Tensor, Tensor]:
        """The probabilities that `draw` draws by, without noise."""
        return torch.softmax(self.choice.detach() * self.gain, dim=-1), torch.softmax(self.depth.detach() * self.gain, dim=-1)


def _straight(scores: Tensor, temperature: float) -> Tensor:
    return nn.functional.gumbel_softmax(scores, tau=temperature, hard=True, dim=-1)


def costs(operations: Sequence[str], width: int) -> Tensor:
    """(operations,): size and products of each, both divided by the largest of them; nothing for `zero` and `identity`."""
    sizes = torch.tensor([float(parameters(name, width)) for name in operations])
    products = torch.tensor([float(operations_per_position(name, width)) for name in operations])
    return sizes / sizes.max().clamp_min(1.0) + products / products.max().clamp_min(1.0)


def cost(net: Supernet, choice: Tensor, depth: Tensor) -> Tensor:
    """The mean cost of an edge, times the share of the deepest net that is used; differentiable in both."""
    cells = torch.arange(1, len(depth) + 1, dtype=depth.dtype)
    edge = (choice * costs(net.space.operations, net.config.hidden_size)).sum(-1).mean()
    return (depth * cells).sum() / len(depth) * edge


class Probes(nn.Module):
    """A linear classifier on the mean state of each of a teacher's layers, embeddings first: what each layer knows of the task."""

    def __init__(self, layers: int, width: int, labels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, labels) for _ in range(layers))

    def forward(self, hidden: Sequence[Tensor], mask: Tensor) -> Tensor:
        """(B, layers, C) logits of (B, S, width) states."""
        real = mask.to(hidden[0].dtype).unsqueeze(-1)
        return torch.stack([probe((one * real).sum(1) / real.sum(1)) for probe, one in zip(self.layers, hidden, strict=True)], dim=1)


@dataclass(frozen=True)
class Known:
    """Examples, and what a teacher knows of them: its probes' (n, layers, C) logits, each probe's cross entropy on the labels, and the
    teacher's own (n, C) logits."""

    examples: Examples
    logits: Tensor
    errors: Tensor
    answers: Tensor | None = None

    def select(self, rows: Sequence[int]) -> Known:
        return Known(self.examples.select(rows), self.logits[list(rows)], self.errors, None if self.answers is None else self.answers[list(rows)])


def probe(teacher: Net, examples: Examples, schedule: Schedule, *, more: Examples | None = None, **loop: object) -> Known:
    """Train probes on `teacher`'s frozen layers by the one loop, whose further arguments are `loop`; what they and it say of the examples and of
    `more`, which may have no labels (-1)."""
    teacher.eval().requires_grad_(False)
    config = teacher.config
    probes = Probes(config.num_hidden_layers + 1, config.hidden_size, config.num_labels)

    def read(batch: Batch) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            out = teacher(input_ids=batch.ids, attention_mask=batch.mask, output_hidden_states=True)
        return probes(out.hidden_states, batch.mask), out.logits

    def loss(batch: Batch) -> dict[str, Tensor]:
        answers, _ = read(batch)
        return {"probes": nn.functional.cross_entropy(answers.flatten(0, 1), batch.labels.repeat_interleave(answers.shape[1])) * answers.shape[1]}

    train(loss, probes, examples, schedule, **loop)  # type: ignore[arg-type]
    known = examples + more if more else examples
    logits, own = torch.zeros(len(known), config.num_hidden_layers + 1, config.num_labels), torch.zeros(len(known), config.num_labels)
    with torch.no_grad():
        for batch in in_order(known):
            logits[batch.rows], own[batch.rows] = read(batch)
    labels = torch.tensor(known.labels)
    errors = torch.stack([nn.functional.cross_entropy(logits[:, layer], labels, ignore_index=UNKNOWN) for layer in range(logits.shape[1])])
    return Known(known, logits, errors, own)


def matched(depth: int, layers: int) -> list[int]:
    """For each of `depth` cells the probe that it imitates, of the probes 0 (embeddings) to `layers`."""
    return [math.ceil(cell * layers / depth) for cell in range(1, depth + 1)]


def distillation(prefixes: Sequence[Tensor], logits: Tensor, errors: Tensor) -> Tensor:
    """Each prefix (B, C) of a net against its probe, in the mean over examples; probes that know more (a smaller error) weigh more.

    A divergence, not the cross entropy that is published: its gradient is the same, but what a probe does not know itself, much in low
    layers, would count against every net that is deep enough to have a cell at that height, and the search would end with one cell.
    """
    probes = matched(len(prefixes), logits.shape[1] - 1)
    weights = torch.softmax(-errors[probes], dim=0)
    terms = []
    for at, mine in zip(probes, prefixes, strict=True):
        theirs = torch.log_softmax(logits[:, at], -1)
        terms.append((theirs.exp() * (theirs - torch.log_softmax(mine, -1))).sum(-1).mean())
    return (weights * torch.stack(terms)).sum()


def objectives(prefixes: Sequence[Tensor], labels: Tensor, logits: Tensor, errors: Tensor, gamma: float) -> Tensor:
    """(depths,): the loss of the net of each depth."""
    return torch.stack([
        (1.0 - gamma) * nn.functional.cross_entropy(prefixes[depth - 1], labels) + gamma * distillation(prefixes[:depth], logits, errors)
        for depth in range(1, len(prefixes) + 1)
    ])


class _Prefixes(nn.Module):
    """`net.prefixes` as a forward pass, so that it can be called with other parameters."""

    def __init__(self, net: Supernet) -> None:
        super().__init__()
        self.net = net

    def forward(self, batch: Batch, gates: Tensor) -> list[Tensor]:
        return self.net.prefixes(batch.ids, batch.mask, gates)


def search_loss(
    net: Supernet, half: Known, choosing: Known, *, steps: int, gamma: float = 0.8, beta: float = 4.0, weights_first: float = 0.0,
) -> Loss:
    """For the loop over `half`: weights learn on its batches with the choice as drawn, the choice on a batch of `choosing` with the weights
    as they are, both in one backward pass (first order, as DARTS calls it). `steps` is how many there will be, for the temperature.

    In the share `weights_first` of the steps nothing is chosen yet: beside convolutions that have learnt nothing a pool looks good.
    """
    run, first = _Prefixes(net), round(weights_first * steps)

    def loss(batch: Batch) -> dict[str, Tensor]:
        net.step += 1
        choice, depth = net.draw(net.temperature(steps, first))
        learning = objectives(run(batch, choice.detach()), batch.labels, half.logits[batch.rows], half.errors, gamma)
        if int(net.step) <= first:
            return {"weights": (depth.detach() * learning).sum()}
        other = collate(choosing.examples, torch.randint(0, len(choosing.examples), (len(batch.rows),)).tolist())
        still = {f"net.{name}": one.detach() for name, one in net.named_parameters()}
        answers = torch.func.functional_call(run, still, (other, choice))
        deciding = objectives(answers, other.labels, choosing.logits[other.rows], choosing.errors, gamma)
        return {"weights": (depth.detach() * learning).sum(), "choice": (depth * deciding).sum(), "cost": beta * cost(net, choice, depth)}

    return loss


def derive(net: Supernet) -> Architecture:
    """The likeliest depth; into each node the two edges whose likeliest operation is likeliest. `zero` is no operation of a found cell: a node
    would be left without input."""
    choice, depth = net.shares()
    names = net.space.operations
    usable = [at for at, name in enumerate(names) if name != "zero"]
    edges: list[Edge] = []
    for target in range(2, net.space.nodes + 2):
        into = [(at, source) for at, (source, end) in enumerate(all_edges(net.space.nodes)) if end == target]
        best = sorted(into, key=lambda one: -choice[one[0], usable].max().item())[:EDGES_KEPT]
        edges += [Edge(source, target, names[usable[int(choice[at, usable].argmax())]]) for at, source in sorted(best)]
    return Architecture(int(depth.argmax()) + 1, net.space.nodes, tuple(edges))


def at_random(space: Space, seed: int) -> Architecture:
    """A cell that nobody searched for, the deepest of its space: what a search is compared with."""
    random, edges = Random(seed), []
    for target in range(2, space.nodes + 2):
        for source in sorted(random.sample(range(target), EDGES_KEPT)):
            edges.append(Edge(source, target, random.choice([one for one in space.operations if one != "zero"])))
    return Architecture(space.deepest, space.nodes, tuple(edges))


def share_of_dearest(found: Architecture, space: Space, width: int) -> float:
    """The cost of a found net as the search counts it, over that of the dearest one in its space: (0, 1]."""
    each = dict(zip(space.operations, costs(space.operations, width).tolist(), strict=True))
    used = sum(each[one.operation] for one in found.edges) * found.depth
    return used / (max(each.values()) * EDGES_KEPT * space.nodes * space.deepest)


@torch.no_grad()
def inherit(net: Supernet, found: Architecture, *, dropout: float = 0.1) -> CellNet:
    """The found net with the weights that the search trained, to be trained further."""
    config = net.config
    small = build(found, width=config.hidden_size, vocab=config.vocab_size, labels=config.num_labels, positions=config.max_position_embeddings, dropout=dropout)
    for name in ("words", "norm", "classifier"):
        getattr(small, name).load_state_dict(getattr(net, name).state_dict())
    small.places.copy_(net.places)
    small.attention.copy_(net.attention[: found.depth + 1])
    places = all_edges(net.space.nodes)
    for new, old in zip(small.cells, net.cells, strict=False):
        new.weights.copy_(old.weights)
        for at, edge in enumerate(found.edges):
            source = old.edges[places.index((edge.source, edge.target))][net.space.operations.index(edge.operation)]
            new.edges[at][0].load_state_dict(source.state_dict())
    return small


def retrain_loss(net: CellNet, known: Known, *, gamma: float = 0.8, soft: float = 0.0) -> Loss:
    """What the found net learns further by: labels where there are any, the probes, and with the weight `soft` the teacher's own answers."""

    def loss(batch: Batch) -> dict[str, Tensor]:
        prefixes = net.prefixes(batch.ids, batch.mask)
        terms = {"probes": gamma * distillation(prefixes, known.logits[batch.rows], known.errors)}
        if (batch.labels != UNKNOWN).any():
            terms["cross_entropy"] = (1.0 - gamma) * nn.functional.cross_entropy(prefixes[-1], batch.labels, ignore_index=UNKNOWN)
        if soft and known.answers is not None:
            terms["soft_cross_entropy"] = soft * soft_cross_entropy(prefixes[-1], known.answers[batch.rows])
        return terms

    return loss


def draw(found: Architecture) -> str:
    """The cell as an SVG picture: inputs on the left, nodes in a row, an arc for each operation."""
    step, middle = 150, 60 + 40 * found.nodes
    names = ["before", "input", *(f"node {at}" for at in range(1, found.nodes + 1))]
    width, height = step * len(names) + 20, middle + 60
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13">',
             f"<title>{found.depth} cells, each of these {len(found.edges)} operations</title>"]
    for edge in found.edges:
        start, end = (80 + step * at for at in (edge.source, edge.target))
        top = middle - 16 - 34 * (edge.target - edge.source)
        parts.append(f'<path d="M{start} {middle - 16} Q{(start + end) // 2} {2 * top - middle + 16} {end} {middle - 16}" fill="none" stroke="#567"/>')
        parts.append(f'<text x="{(start + end) // 2}" y="{top - 4}" text-anchor="middle">{edge.operation}</text>')
    for at, name in enumerate(names):
        parts.append(f'<rect x="{40 + step * at}" y="{middle - 16}" width="80" height="32" rx="6" fill="{"#dde" if at < 2 else "#fff"}" stroke="#567"/>')
        parts.append(f'<text x="{80 + step * at}" y="{middle + 5}" text-anchor="middle">{name}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"
