"""What a search chooses: what the task needs, at the cost that its weight allows; and the chosen net as it was trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.train.conftest import NEEDS

torch = pytest.importorskip("torch", reason=NEEDS)
pytest.importorskip("transformers", reason=NEEDS)

from edgebench.train import nets, search  # noqa: E402
from edgebench.train.cells import Architecture, CellNet, Edge  # noqa: E402
from edgebench.train.data import Examples, collate  # noqa: E402
from edgebench.train.loop import Schedule, accuracy, train  # noqa: E402
from edgebench.train.search import Known, Space, Supernet  # noqa: E402

SPACE = Space(deepest=3, nodes=2, operations=("conv3", "conv7", "max3", "identity", "zero"))


def supernet(seed: int = 0, space: Space = SPACE) -> Supernet:
    torch.manual_seed(seed)
    return Supernet(space, width=16, vocab=40, labels=2, positions=32, dropout=0.0)


@pytest.fixture
def known(examples: Examples) -> Known:
    """Probes of three layers: the first knows nothing, the last everything."""
    labels = torch.tensor(examples.labels)
    sure = torch.stack([(labels == 0).float(), (labels == 1).float()], dim=1) * 6
    return Known(examples, torch.stack([0 * sure, sure / 6, sure], dim=1), torch.tensor([0.69, 0.4, 0.01]))


def searched(known: Known, folder: Path, beta: float, *, epochs: int = 6, gamma: float = 0.8) -> Supernet:
    net = supernet()
    half, other = known.select([*range(0, 48)]), known.select([*range(48, 96)])
    schedule = Schedule(epochs=epochs, batch_size=16, learning_rate=1e-2, weight_decay=0.0)
    loss = search.search_loss(net, half, other, steps=3 * epochs, beta=beta, gamma=gamma)
    train(loss, net, half.examples, schedule, seed=0, checkpoint=folder / f"{beta}.checkpoint", log=folder / f"{beta}.jsonl")
    return net


def mean_cost(net: Supernet) -> float:
    return search.cost(net, *net.shares()).item()


def test_a_draw_is_one_operation_an_edge_and_its_gradient_reaches_all() -> None:
    net = supernet()
    choice, depth = net.draw(1.0)
    assert choice.sum(-1).tolist() == [1.0] * 5
    assert set(choice.flatten().tolist()) == {0.0, 1.0}
    assert depth.sum() == 1
    (choice * torch.arange(25.0).reshape(5, 5)).sum().backward()
    assert (net.choice.grad != 0).all()  # type: ignore[union-attr]


def test_the_temperature_falls_by_equal_ratios_to_a_fifth() -> None:
    net = supernet()
    found = []
    for step in (0, 50, 100, 200):
        net.step.fill_(step)
        found.append(net.temperature(100))
    assert found == pytest.approx([1.0, 0.2**0.5, 0.2, 0.2])


def test_the_cost_is_that_of_the_operations_drawn_and_grows_with_depth() -> None:
    net, (one, three) = supernet(), (torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 0, 1]))
    edges = {name: torch.nn.functional.one_hot(torch.full((5,), at), 5).float() for at, name in enumerate(SPACE.operations)}
    assert search.cost(net, edges["conv7"], three).item() == pytest.approx(2.0)  # the largest size and the most products
    assert search.cost(net, edges["conv7"], one).item() == pytest.approx(2 / 3)
    assert search.cost(net, edges["zero"], three).item() == search.cost(net, edges["identity"], three).item() == 0
    assert 0 < search.cost(net, edges["max3"], three) < search.cost(net, edges["conv3"], three) < 2


def test_weights_learn_from_one_half_and_the_choice_from_the_other(known: Known) -> None:
    """With labels of the choosing half that no weight can see, only the choice moves by them."""
    net = supernet()
    loss = search.search_loss(net, known, known, steps=10, beta=0.0)
    terms = loss(collate(known.examples, range(16)))
    terms["weights"].backward(retain_graph=True)
    assert net.words.weight.grad is not None
    assert net.choice.grad is None
    net.zero_grad(set_to_none=True)
    (terms["choice"] + terms["cost"]).backward()
    assert net.words.weight.grad is None
    assert (net.choice.grad != 0).any()  # type: ignore[union-attr]
    assert (net.depth.grad != 0).any()  # type: ignore[union-attr]


def test_where_weights_learn_first_nothing_is_chosen_before_their_share_is_over(known: Known, tmp_path: Path) -> None:
    net = supernet()
    loss = search.search_loss(net, known, known, steps=10, weights_first=0.3)
    told = [set(loss(collate(known.examples, range(16)))) for _ in range(5)]
    assert told == [{"weights"}] * 3 + [{"weights", "choice", "cost"}] * 2
    assert net.temperature(10, after=5) == 1.0
    net.step.fill_(10)
    assert net.temperature(10, after=5) == pytest.approx(0.2)


def test_the_searched_cost_falls_as_its_weight_rises(known: Known, tmp_path: Path) -> None:
    found = [mean_cost(searched(known, tmp_path, beta)) for beta in (0.0, 2.0, 20.0)]
    assert found[0] > found[1] > found[2]
    assert found[2] < found[0] / 2


def test_a_net_is_searched_derived_and_trained_until_it_knows_the_task(known: Known, tmp_path: Path) -> None:
    net = searched(known, tmp_path, 0.5)
    found = search.derive(net)
    small = search.inherit(net, found, dropout=0.0)
    schedule = Schedule(epochs=10, batch_size=16, learning_rate=5e-3)
    train(search.retrain_loss(small, known), small, known.examples, schedule, seed=0, checkpoint=tmp_path / "c", log=tmp_path / "l")
    assert accuracy(small, known.examples) > 0.97


def test_into_each_node_go_the_two_likeliest_edges_and_never_zero() -> None:
    net = supernet()
    net.choice.data[:, SPACE.operations.index("zero")] = 5.0
    net.choice.data[0, 1], net.choice.data[1, 2], net.choice.data[3, 0], net.choice.data[4, 3] = 1.0, 1.0, 1.0, 1.0
    net.depth.data[1] = 1.0
    assert search.derive(net) == Architecture(2, 2, (Edge(0, 2, "conv7"), Edge(1, 2, "max3"), Edge(1, 3, "conv3"), Edge(2, 3, "identity")))


def test_the_found_net_answers_as_the_supernet_does_with_that_choice() -> None:
    net = supernet().eval()
    for parameter in net.parameters():
        parameter.data += torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)) * 0.2
    found = search.derive(net)
    gates, places = torch.zeros(5, 5), [(0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
    for edge in found.edges:
        gates[places.index((edge.source, edge.target)), SPACE.operations.index(edge.operation)] = 1.0
    ids = torch.randint(4, 40, (4, 7), generator=torch.Generator().manual_seed(2))
    small: CellNet = search.inherit(net, found).eval()
    with torch.no_grad():
        wanted = net.prefixes(ids, torch.ones_like(ids), gates)[found.depth - 1]
        torch.testing.assert_close(small(ids, torch.ones_like(ids)).logits, wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("depth", "layers", "probes"), [(3, 12, [4, 8, 12]), (5, 12, [3, 5, 8, 10, 12]), (1, 12, [12]), (4, 2, [1, 1, 2, 2])])
def test_each_cell_imitates_the_probe_at_its_height(depth: int, layers: int, probes: list[int]) -> None:
    assert search.matched(depth, layers) == probes


def test_probes_that_know_more_weigh_more() -> None:
    prefixes = [torch.tensor([[1.0, -1.0]]), torch.tensor([[3.0, -3.0]])]
    logits = torch.tensor([[[0.0, 0.0], [0.0, 0.0], [50.0, -50.0]]])
    first, last = (search.distillation(prefixes, logits, torch.tensor(errors)).item() for errors in ([9.0, 0.0, 99.0], [9.0, 99.0, 0.0]))
    assert first == pytest.approx(0.4338, abs=1e-3)  # the first cell, which says 0.88 to 0.12, against a probe that knows nothing: ln cosh 1
    assert last == pytest.approx(0.0025, abs=1e-3)


def test_what_a_probe_does_not_know_itself_counts_against_no_net() -> None:
    """A cell that says just what its probe says has nothing to learn, however little that is."""
    logits = torch.tensor([[[0.3, 0.1], [0.2, -0.1], [2.0, -1.0]]])
    found = search.distillation([logits[:, 1], logits[:, 2]], logits, torch.tensor([0.6, 0.5, 0.2]))
    assert found.item() == pytest.approx(0.0, abs=1e-6)


def test_probes_of_a_teacher_say_what_its_layers_know(weights: Path, examples: Examples, tmp_path: Path) -> None:
    teacher = nets.load_pretrained(weights, labels=2)
    schedule = Schedule(epochs=20, batch_size=16, learning_rate=3e-2)
    found = search.probe(teacher, examples, schedule, seed=0, checkpoint=tmp_path / "c", log=tmp_path / "l")
    assert found.logits.shape == (96, 3, 2)
    assert found.errors.shape == (3,)
    assert found.errors.max() < 0.5  # one word decides, and the mean over words shows it at every layer
    right = found.logits.argmax(-1) == torch.tensor(examples.labels)[:, None]
    assert right.float().mean() > 0.9


def test_the_drawing_names_every_operation_and_is_well_formed() -> None:
    from xml.etree import ElementTree

    found = Architecture(2, 2, (Edge(0, 2, "conv7"), Edge(1, 2, "max3"), Edge(1, 3, "conv3"), Edge(2, 3, "identity")))
    tree = ElementTree.fromstring(search.draw(found))
    words = [one.text for one in tree.iter("{http://www.w3.org/2000/svg}text")]
    assert sorted(words) == sorted(["before", "input", "node 1", "node 2", "conv7", "max3", "conv3", "identity"])
    assert len(list(tree.iter("{http://www.w3.org/2000/svg}path"))) == 4
