"""A TorchScript .pt file -> a session of PyTorch.

TorchScript keeps no names of outputs, so the file carries a description, written when it is saved:

    tensors = {"inputs": [{"name": "input_ids", "dtype": "int64", "shape": [None, None]}], "outputs": [...]}
    torch.jit.save(module, path, _extra_files={"edgebench.json": json.dumps(tensors)})

The module takes the inputs in that order and returns a tensor, a tuple in the order of the outputs, or a dictionary.
"""

from __future__ import annotations

import json
import platform
import warnings
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from edgebench.backends.base import Facts, Options, TensorSpec, check_feeds, check_options, check_settings
from edgebench.backends.door import Door
from edgebench.errors import EngineError, MissingError, engine_errors

if TYPE_CHECKING:
    from edgebench.backends.base import Arrays

DESCRIPTION = "edgebench.json"
KNOBS: dict[str, tuple[Any, ...]] = {"freeze": ("no", "weights", "inference")}  # weights as constants; with what torch makes of that for inference


class TorchScript:
    """The engine for TorchScript files, which are programs; `BACKEND` is the one instance."""

    name = "torchscript"
    formats = ("torchscript",)
    runs_code = True
    extra = "torch"
    knobs = KNOBS
    process_wide = True  # its threads are a setting of the process: two sessions cannot differ in them

    def version(self) -> str:
        return str(_library().__version__)

    def open(self, path: Path, options: Options) -> TorchSession:
        """Threads and the engine for int8 are settings of the whole process in torch: the last session opened decides."""
        torch = _library()
        check_options(self.name, options)
        check_settings(self.name, options, self.knobs)
        torch.set_num_threads(options.threads)
        _choose_int8_engine(torch)
        extra = {DESCRIPTION: b""}
        with engine_errors(self.name, f"opening {path}"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch 2.10 and later call torch.jit deprecated at every use
            module = torch.jit.load(str(path), map_location="cpu", _extra_files=extra).eval()
            if (freeze := options.settings.get("freeze", "no")) != "no":
                module = torch.jit.freeze(module) if freeze == "weights" else torch.jit.optimize_for_inference(module)
        return TorchSession(torch, module, path, *_described(path, extra[DESCRIPTION]))


class TorchSession:
    """An open TorchScript file. Torch lets go of Python's lock while it runs, so threads gain."""

    lengths: tuple[int, ...] = ()
    parallel = True

    def __init__(self, torch: ModuleType, module: Any, path: Path, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self._names = [one.name for one in outputs]
        self._torch = torch
        self._module = module
        self._doing = f"running {path.name}"
        self._door = Door(path.name)

    @property
    def facts(self) -> Facts:
        torch = self._torch
        details = {"int8_engine": torch.backends.quantized.engine, "mkldnn": torch.backends.mkldnn.is_available()}
        return Facts("torch", str(torch.__version__), torch.get_num_threads(), "cpu", details)

    def run(self, feeds: Arrays) -> Arrays:
        with self._door:
            check_feeds(self.inputs, feeds)
            with engine_errors("torchscript", self._doing), self._torch.inference_mode():
                results = self._module(*[self._tensor(feeds[one.name]) for one in self.inputs])
                if isinstance(results, dict):
                    results = [results[name] for name in self._names]
                elif not isinstance(results, (tuple, list)):
                    results = [results]
                return {name: result.numpy() for name, result in zip(self._names, results, strict=True)}

    def close(self) -> None:
        self._door.close()
        self._module = None

    def _tensor(self, array: Any) -> Any:
        """The array's own memory, or a copy where torch cannot share it (read-only, or strides that run backwards)."""
        if not array.flags.writeable or not array.flags.c_contiguous:
            array = array.copy()
        return self._torch.from_numpy(array)


def _library() -> ModuleType:
    try:
        import torch
    except ImportError as error:
        raise MissingError(f"backend 'torchscript' needs torch, which cannot be imported ({error}); install edgebench[torch]") from error
    library: ModuleType = torch
    return library


def _choose_int8_engine(torch: ModuleType) -> None:
    """qnnpack on ARM, where it is the fast one; on x86 it is five times slower than the x86 engine, then fbgemm."""
    order = ("x86", "fbgemm", "qnnpack") if platform.machine().lower() in ("x86_64", "amd64", "i686") else ("qnnpack",)
    for name in order:
        if name in torch.backends.quantized.supported_engines:
            if torch.backends.quantized.engine != name:
                torch.backends.quantized.engine = name
            return


def _described(path: Path, text: bytes | str) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """The inputs and outputs of the extra file; EngineError says what it should have been."""
    wanted = f'expected an extra file {DESCRIPTION} of {{"inputs": [{{"name", "dtype", "shape"}}], "outputs": [...]}}; save the module again with _extra_files'
    if not text:
        raise EngineError(f"{path.name} does not name its tensors; {wanted}")
    try:
        described = json.loads(text)
        inputs, outputs = ([TensorSpec(one["name"], one["dtype"], tuple(one["shape"])) for one in described[key]] for key in ("inputs", "outputs"))
    except (ValueError, KeyError, TypeError) as error:
        raise EngineError(f"{path.name} names its tensors wrongly ({type(error).__name__}: {error}); {wanted}") from error
    return tuple(inputs), tuple(outputs)


BACKEND = TorchScript()
