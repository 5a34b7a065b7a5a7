"""Made the two .tflite files beside it: the sum of a tiny embedding under a mask.

    python tests/backends/data/make_tflite.py     (needs litert-torch 0.10)

The embedding of id i is (i, -i) / 8, so the expected logits can be written down in the test. two_lengths.tflite has a
signature for 8 and one for 16 tokens, named against their order on purpose: nothing may depend on the names.
no_signature.tflite is for 8 tokens and names only tensors.
"""

from pathlib import Path

import flatbuffers
import litert_torch
import torch
from ai_edge_litert import schema_py_generated as schema


class Summed(torch.nn.Module):
    """Sum over the unmasked tokens of (id, -id) / 8."""

    def __init__(self) -> None:
        super().__init__()
        ramp = torch.arange(32, dtype=torch.float32) / 8
        self.table = torch.nn.Parameter(torch.stack([ramp, -ramp], dim=1))

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> dict[str, torch.Tensor]:
        tokens = torch.nn.functional.embedding(input_ids, self.table)
        return {"logits": (tokens * attention_mask.unsqueeze(-1).float()).sum(dim=1)}


def write(path: Path, lengths: dict[str, int]) -> None:
    """One signature for each length."""
    converter = litert_torch
    for name, length in lengths.items():
        # two tensors, not one given twice: the exporter takes one object for one input, and the ids would be lost
        samples = {key: torch.ones(1, length, dtype=torch.int32) for key in ("input_ids", "attention_mask")}
        converter = converter.signature(name, Summed().eval(), sample_kwargs=samples)
    converter.convert().export(str(path))


def without_signatures(content: bytes) -> bytes:
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    model.signatureDefs = []
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def main() -> None:
    here = Path(__file__).parent
    write(here / "two_lengths.tflite", {"b": 8, "a": 16})
    write(here / "no_signature.tflite", {"b": 8})
    (here / "no_signature.tflite").write_bytes(without_signatures((here / "no_signature.tflite").read_bytes()))


if __name__ == "__main__":
    main()
