"""Runs go in together; close waits for the last of them."""

from __future__ import annotations

import threading

import pytest

from edgebench.backends.door import Door
from edgebench.errors import EngineError


def test_several_are_inside_at_once() -> None:
    door = Door("a.onnx")
    with door, door:
        pass


def test_close_waits_until_the_last_is_out() -> None:
    door = Door("a.onnx")
    closer = threading.Thread(target=door.close)
    with door:
        with door:
            closer.start()
        closer.join(0.05)
        assert closer.is_alive()
    closer.join(10)
    assert not closer.is_alive()


def test_nobody_enters_a_closed_door() -> None:
    door = Door("a.onnx")
    door.close()
    with pytest.raises(EngineError, match=r"the session of a\.onnx is closed; a run needs an open one; open the file again"), door:
        pass


def test_a_run_that_fails_has_left() -> None:
    door = Door("a.onnx")
    with pytest.raises(ZeroDivisionError), door:
        raise ZeroDivisionError
    door.close()


def test_close_twice_returns_twice() -> None:
    door = Door("a.onnx")
    door.close()
    door.close()
