"""Any module -> an ExecuTorch file (.pte) that names its tensors, in fp32 or int8, with what XNNPACK takes of it given to XNNPACK.

The batch is one and a text has any length up to the longest asked for: memory is planned for that one. int8 of texts: weights of products have
8 bits with one scale for each output channel, activations are quantised as they come, and the table of words has one scale for each word.
int8 of pictures: activations too are in 8 bits, in ranges measured on samples.

XNNPACK leaves behind what has open sizes (reshapes) and layer norms. Rewriting reshapes so that it takes half of them made a file 58 instead of 39 %
delegated, and no faster: TinyBERT took 1.47 (1.34 to 1.62) and 1.50 (1.37 to 1.63) times as long as ONNX Runtime's float32, 24 turns each.
A sample of which two inputs are one tensor exports without an error and answers wrongly: the exporter takes them for one input.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from edgebench.train.export_tflite import quiet

if TYPE_CHECKING:
    from edgebench.train.export import Samples, Write

DESCRIPTION = "edgebench"
DELEGATE = "xnnpack"
BOOKKEEPING = ("getitem", "sym_size")  # nodes of the graph that compute nothing
LENGTH = 7  # of the sample; any but 1, for which the exporter would make a graph of its own


def writer() -> Write:
    """`write`, or ImportError naming what is missing."""
    with quiet():
        import executorch.exir  # noqa: F401
        from torchao.quantization.pt2e import quantize_pt2e  # noqa: F401

    return write


def write(module: nn.Module, path: Path, precision: str, lengths: Sequence[int], samples: Samples = ()) -> None:
    """Write a classifier of texts to `path`, for one text of 1 to `max(lengths)` tokens. `samples` do not matter: int8 measures ranges as it runs."""
    ids = torch.ones(1, LENGTH, dtype=torch.int64)
    inputs = {"input_ids": ids, "attention_mask": ids.clone()}
    with torch.no_grad():
        of_tokens = module(*inputs.values()).ndim == 3  # a tagger's (B, S, C)
    places = {"length": {**dict.fromkeys(inputs, 1), **({"logits": 1} if of_tokens else {})}}
    parts = Program(inputs, ("logits",), places, {"length": max(lengths)})
    if precision == "fp32":
        write_program(module, path, parts)
    else:
        write_program(_words_in_int8(module), path, parts, _quantised(dynamic=True, samples=[tuple(inputs.values())]))


@dataclass(frozen=True)
class Program:
    """A program's tensors: an example of each input, the outputs' names, and of each open size the axis that it is of tensors by their names,
    e.g. {"length": {"input_ids": 1}}, and the most that it may be."""

    inputs: dict[str, Tensor]
    outputs: tuple[str, ...]
    open: dict[str, dict[str, int]] = field(default_factory=dict)
    most: dict[str, int] = field(default_factory=dict)

    def shape(self, name: str, tensor: Tensor) -> list[int | str]:
        """An open size is its name."""
        return [next((size for size, places in self.open.items() if places.get(name) == axis), here) for axis, here in enumerate(tensor.shape)]


def write_program(module: nn.Module, path: Path, parts: Program, quantised: Callable[[nn.Module], nn.Module] | None = None) -> None:
    """Write any module whose tensors are `parts`, made int8 by `quantised` where there is one."""
    with quiet(), torch.no_grad():
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import EdgeProgramManager, to_edge_transform_and_lower

        sizes = {name: torch.export.Dim(name, min=1, max=most) for name, most in parts.most.items()}
        shapes = tuple({places[name]: sizes[size] for size, places in parts.open.items() if name in places} for name in parts.inputs)

        def exported(one: nn.Module) -> Any:
            return torch.export.export(one, tuple(parts.inputs.values()), dynamic_shapes=shapes)

        program = exported(module)
        if quantised is not None:
            program = exported(quantised(program.module()))
        edge = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()]).exported_program()
        described = json.dumps(_tensors(module, parts) | _placed(edge.graph_module))
        path.write_bytes(EdgeProgramManager({"forward": edge}, constant_methods={DESCRIPTION: described}).to_executorch().buffer)


def quantised_picture(calibration: Sequence[Any]) -> Callable[[nn.Module], nn.Module]:
    """What makes a net of pictures int8, with ranges measured on (1, 3, height, width) float32 arrays."""
    return _quantised(dynamic=False, samples=[(torch.from_numpy(one),) for one in calibration])


def _quantised(*, dynamic: bool, samples: Sequence[tuple[Tensor, ...]]) -> Callable[[nn.Module], nn.Module]:
    def quantise(module: nn.Module) -> nn.Module:
        from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import XNNPACKQuantizer, get_symmetric_quantization_config
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

        quantizer = XNNPACKQuantizer()
        quantizer.set_global(get_symmetric_quantization_config(is_per_channel=True, is_dynamic=dynamic))
        prepared = prepare_pt2e(module, quantizer)
        for one in samples:
            prepared(*one)
        found: nn.Module = convert_pt2e(prepared)
        return found

    return quantise


class Words(nn.Module):
    """An Embedding with 8 bits for each number and one scale for each word: (B, S) ids -> (B, S, width) float32."""

    def __init__(self, table: nn.Embedding) -> None:
        super().__init__()
        weight = table.weight.detach()
        scale = (weight.abs().amax(dim=1, keepdim=True) / 127).clamp_min(torch.finfo(torch.float32).tiny)
        self.levels = nn.Buffer(torch.round(weight / scale).to(torch.int8))
        self.scale = nn.Buffer(scale)

    def forward(self, ids: Tensor) -> Tensor:
        rows: Tensor = nn.functional.embedding(ids, self.levels).to(torch.float32) * nn.functional.embedding(ids, self.scale)
        return rows


def _words_in_int8(module: nn.Module) -> nn.Module:
    """A copy of `module` with every Embedding in it as Words."""
    return _swapped(copy.deepcopy(module))


def _swapped(module: nn.Module) -> nn.Module:
    for name, child in list(module.named_children()):
        setattr(module, name, Words(child) if isinstance(child, nn.Embedding) else _swapped(child))
    return module


def _tensors(module: nn.Module, parts: Program) -> dict[str, Any]:
    """What each tensor is called, with its dtype and shape."""
    found = module(*parts.inputs.values())
    results = dict(zip(parts.outputs, (found,) if isinstance(found, Tensor) else found, strict=True))
    return {
        kind: [{"name": name, "dtype": str(one.dtype).removeprefix("torch."), "shape": parts.shape(name, one)} for name, one in group.items()]
        for kind, group in (("inputs", parts.inputs), ("outputs", results))
    }


def _placed(graph: Any) -> dict[str, Any]:
    """How many nodes XNNPACK took, how many stayed, and which operators those are."""
    from executorch.devtools.backend_debug import get_delegation_info

    rows = [one for name, one in get_delegation_info(graph).delegation_by_operator.items() if name not in BOOKKEEPING]
    behind = sorted((one for one in rows if one.non_delegated), key=lambda one: (-one.non_delegated, one.op_type))
    nodes = {DELEGATE: sum(one.delegated for one in rows), "cpu": sum(one.non_delegated for one in rows)}
    return {"nodes": nodes, "stayed": [f"{one.non_delegated} {one.op_type}" for one in behind]}
