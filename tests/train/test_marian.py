"""Marian in plain operations: transformers' numbers, and the same with a cache."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.train.conftest import NEEDS

torch = pytest.importorskip("torch", reason=NEEDS)
transformers = pytest.importorskip("transformers", reason=NEEDS)

from edgebench.train import marian  # noqa: E402
from edgebench.train.marian import Encoder, Marian, Shape, Step  # noqa: E402

SHAPE = Shape(vocab=30, width=16, heads=2, ffn=24, encoder_layers=2, decoder_layers=3, end=0, start=29, unknown=1, places=32)
IDS = torch.tensor([[5, 9, 12, 3, 0], [7, 8, 0, 29, 29]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
TARGET = torch.tensor([[29, 4, 6, 11], [29, 8, 2, 5]])


@pytest.fixture
def net() -> Marian:
    torch.manual_seed(0)
    net = Marian(SHAPE)
    torch.nn.init.normal_(net.bias)
    return net.eval()


def test_a_published_checkpoint_gives_transformers_numbers(tmp_path: Path) -> None:
    torch.manual_seed(1)
    config = transformers.MarianConfig(
        vocab_size=30, d_model=16, encoder_layers=2, decoder_layers=3, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=24, decoder_ffn_dim=24, max_position_embeddings=32, pad_token_id=29, decoder_start_token_id=29, eos_token_id=0,
        forced_eos_token_id=0, scale_embedding=True, activation_function="swish",
    )  # fmt: skip
    theirs = transformers.MarianMTModel(config).eval()
    theirs.final_logits_bias.normal_()
    torch.save(theirs.state_dict(), tmp_path / "pytorch_model.bin")
    (tmp_path / "config.json").write_text(json.dumps({**config.to_dict(), "vocab_size": 30}))
    (tmp_path / "vocab.json").write_text(json.dumps({"</s>": 0, "<unk>": 1}))
    mine = marian.load(tmp_path)
    with torch.no_grad():
        wanted = theirs(input_ids=IDS, attention_mask=MASK, decoder_input_ids=TARGET).logits
        torch.testing.assert_close(mine(IDS, MASK, TARGET), wanted, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_steps_with_a_cache_give_the_numbers_of_the_whole_sentence(net: Marian) -> None:
    wanted, cross, step = net(IDS, MASK, TARGET), Encoder(net)(IDS, MASK), Step(net)
    past = cross.new_zeros(2, 6, 2, 0, 8)
    for place in range(TARGET.shape[1]):
        logits, past = step(TARGET[:, place : place + 1], MASK, cross, past)
        torch.testing.assert_close(logits, wanted[:, place], rtol=1e-4, atol=1e-5)
    assert past.shape == (2, 6, 2, 4, 8)


@torch.no_grad()
def test_padding_changes_nothing(net: Marian) -> None:
    torch.testing.assert_close(net(IDS[1:, :3], MASK[1:, :3], TARGET[1:]), net(IDS, MASK, TARGET)[1:], rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_net_with_fewer_words_says_the_same_of_those(net: Marian) -> None:
    kept = [0, 1, 5, 9, 12, 3, 4, 6, 29]
    small, new = marian.keep_words(net, kept), {old: number for number, old in enumerate(kept)}
    assert (small.shape.vocab, small.shape.end, small.shape.start, small.shape.unknown) == (9, 0, 8, 1)
    ids, target = (torch.tensor([[new[one] for one in row]]) for row in ([5, 9, 12, 3, 0], [29, 4, 6]))
    wanted = net(IDS[:1], MASK[:1], TARGET[:1, :3])[:, :, kept]
    torch.testing.assert_close(small(ids, MASK[:1], target), wanted)


def test_a_net_with_fewer_layers_has_those_it_was_told_to_keep(net: Marian) -> None:
    small = marian.keep_layers(net, [2], [(1, 2, 3)])
    assert (len(small.encoder.layers), len(small.decoder.layers)) == (1, 1)
    mine, theirs = small.state_dict(), net.state_dict()
    for name, source in (
        ("self_attn.q_proj.weight", 0), ("self_attn_layer_norm.bias", 0), ("encoder_attn.k_proj.bias", 1), ("encoder_attn_layer_norm.weight", 1),
        ("fc1.weight", 2), ("fc2.bias", 2), ("final_layer_norm.weight", 2),
    ):  # fmt: skip
        assert torch.equal(mine[f"decoder.layers.0.{name}"], theirs[f"decoder.layers.{source}.{name}"])
    assert torch.equal(mine["encoder.layers.0.fc1.weight"], theirs["encoder.layers.1.fc1.weight"])
    assert torch.equal(mine["words.weight"], theirs["words.weight"])


@torch.no_grad()
def test_what_is_saved_is_read_back(net: Marian, tmp_path: Path) -> None:
    marian.save(net, tmp_path / "net.pt")
    assert torch.equal(marian.read(tmp_path / "net.pt")(IDS, MASK, TARGET), net(IDS, MASK, TARGET))
