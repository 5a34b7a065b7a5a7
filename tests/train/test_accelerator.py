"""The same recipes on an accelerator, where there is one: what they leave is read without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.train.conftest import NEEDS

torch = pytest.importorskip("torch", reason=NEEDS)
pytest.importorskip("transformers", reason=NEEDS)

if not torch.cuda.is_available():
    pytest.skip("there is no CUDA device here", allow_module_level=True)

from edgebench.train import dynamic, nets, recipe  # noqa: E402
from edgebench.train.checkpoint import Source  # noqa: E402
from edgebench.train.data import Examples  # noqa: E402
from edgebench.train.loop import Schedule, accuracy, train  # noqa: E402
from tests.train.test_recipe import read  # noqa: E402


def test_a_recipe_that_an_accelerator_ran_is_read_by_the_processor(tmp_path: Path, weights: Path, examples: Examples) -> None:
    plan, data = read(tmp_path), recipe.Data(examples, examples.select(range(40)))
    with torch.device("cuda"):
        result = recipe.run(plan, data, {"none": weights}, tmp_path / "out")
    assert result["teacher"]["accuracy_dev"] > 0.9
    found = torch.load(tmp_path / "out" / "student.pt", weights_only=True, map_location="cpu")
    assert {one.device.type for one in found.values()} == {"cpu"}
    again = recipe.run(plan, data, {"none": weights}, tmp_path / "out")  # every checkpoint is at its last step: only scores are computed
    assert again["student"]["accuracy_dev"] == result["student"]["accuracy_dev"]


def test_an_interrupted_run_goes_on_with_the_same_dropout(tmp_path: Path, examples: Examples) -> None:
    found = []
    for cut in (False, True):
        with torch.device("cuda"):
            torch.manual_seed(0)
            net = nets.build(layers=1, hidden=16, heads=2, ffn=16, labels=2, vocab=40)

            def loss(batch, net=net):  # type: ignore[no-untyped-def]
                return {"x": torch.nn.functional.cross_entropy(net(input_ids=batch.ids, attention_mask=batch.mask).logits, batch.labels)}

            def stop(step: int, steps: int, losses: dict[str, float], cut: bool = cut) -> None:
                if cut and step == 50:
                    raise KeyboardInterrupt

            given = {"seed": 1, "checkpoint": tmp_path / f"{cut}.checkpoint", "log": tmp_path / "log", "save_every_s": 0.0}
            schedule = Schedule(epochs=6, batch_size=8, learning_rate=1e-3)
            if cut:
                with pytest.raises(KeyboardInterrupt):
                    train(loss, net, examples, schedule, progress=stop, **given)
            train(loss, net, examples, schedule, **given)
            found.append(net.state_dict())
    assert all(torch.allclose(found[0][name], found[1][name], atol=1e-5) for name in found[0])


@pytest.mark.parametrize("method", ["elastic", "exits"])
def test_a_net_of_many_speeds_is_trained_there(tmp_path: Path, examples: Examples, method: str) -> None:
    shares = {"widths": (1.0, 0.5), "depths": (1.0, 0.5)} if method == "elastic" else {}
    plan = dynamic.Recipe(
        schema=1, name="tiny", about="a test", task="text-classification", method=method, dataset="none", seed=1, start="none",  # type: ignore[arg-type]
        train=Schedule(epochs=1, batch_size=8, learning_rate=1e-3), held_out=16, **shares,
    )  # fmt: skip
    with torch.device("cuda"):
        net = nets.build(layers=2, hidden=24, heads=2, ffn=32, labels=2, vocab=40)
        source = Source(net.eval(), tmp_path, ("no", "yes"), 16, "none", "a test")  # type: ignore[arg-type]
        result = dynamic.run(plan, source, examples, examples.select(range(40)), tmp_path / "out")
        assert result["start"]["accuracy_dev"] == accuracy(net, examples.select(range(40)))
    assert (tmp_path / "out" / "net.pt").exists()
