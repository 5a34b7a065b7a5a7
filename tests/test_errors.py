"""What an engine raises becomes ours at one place, with its words and the cause kept."""

from __future__ import annotations

import pytest

from edgebench.errors import EngineError, InputError, MissingError, OutOfMemoryError, UnsupportedError, did_you_mean, engine_errors


def test_a_foreign_exception_becomes_an_engine_error_with_its_first_line_and_cause() -> None:
    foreign = RuntimeError("\nbad magic\nat frame 1\nat frame 2")
    with pytest.raises(EngineError, match=r"^onnxruntime failed while opening a\.onnx: bad magic$") as caught, engine_errors("onnxruntime", "opening a.onnx"):
        raise foreign
    assert caught.value.__cause__ is foreign


def test_an_exception_without_words_gives_its_name() -> None:
    with pytest.raises(EngineError, match=r"KeyError$"), engine_errors("torch", "running"):
        raise KeyError


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("std::bad_alloc"), RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")])
def test_no_memory_is_told_apart_from_what_an_engine_refuses(error: Exception) -> None:
    with pytest.raises(OutOfMemoryError, match="take a smaller model or free memory"), engine_errors("torch", "running"):
        raise error


def test_of_long_words_beginning_and_end_are_kept() -> None:
    with pytest.raises(EngineError) as caught, engine_errors("onnxruntime", "opening"):
        raise RuntimeError(f"[ONNXRuntimeError] {'signature ' * 100} the opset is too new")
    assert "[ONNXRuntimeError]" in str(caught.value)
    assert str(caught.value).endswith("the opset is too new")
    assert len(str(caught.value)) < 450


def test_our_own_errors_pass_through() -> None:
    with pytest.raises(InputError), engine_errors("torch", "running"):
        raise InputError("input 'x' is missing")


def test_an_interrupt_is_no_engine_error() -> None:
    with pytest.raises(KeyboardInterrupt), engine_errors("torch", "running"):
        raise KeyboardInterrupt


def test_a_missing_package_is_a_thing_unsupported_here() -> None:
    assert issubclass(MissingError, UnsupportedError)


def test_the_nearest_word_is_offered_and_no_far_one() -> None:
    assert did_you_mean("tflit", ["tflite", "onnx"]) == " Did you mean 'tflite'?"
    assert did_you_mean("zzz", ["tflite", "onnx"]) == ""
