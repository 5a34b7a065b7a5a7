"""The worker on aarch64 and on 32-bit ARM, in every engine that has a wheel there: the same labels as here, outputs within 1e-3, and no time kept.

    pytest tests/emulation -m emulation      # needs apt, unshare and some minutes; EDGEBENCH_EMULATION keeps what it downloads
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator

import pytest

from edgebench import catalog
from edgebench.bench.job import Job, Labels
from edgebench.bench.plan import Model, Plan
from edgebench.bench.run import Sweep
from edgebench.devices.far import HERE
from edgebench.devices.local import LocalExecutor
from edgebench.models import card as cards
from edgebench.models.data import Labelled
from edgebench.record import Record, Spec
from scripts import arm
from tests.emulation import guest
from tests.emulation.guest import Guest

pytestmark = pytest.mark.emulation

MODEL = "tinybert-sst2"
TEXTS = ("a gripping film", "not worth the ticket", "dull and slow", "a warm, funny and moving story", "", "it has no right to be this thrilling")
CELLS = [("onnx", "fp32", "onnxruntime"), ("onnx", "int8", "onnxruntime"), ("tflite", "int8", "tflite"), ("torchscript", "int8", "torchscript")]
TOLERANCE = 1e-3


@pytest.fixture(scope="module", autouse=True)
def possible() -> None:
    if not all(map(shutil.which, ("apt-get", "dpkg-deb", "unshare", "chroot"))):
        pytest.skip("emulation needs apt, dpkg and unshare")
    tried = subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "binfmt_misc", "none", "/mnt"], capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"binfmt_misc cannot be mounted in a user namespace here (Linux 6.7 or later can): {tried.stderr.strip()}")


@pytest.fixture(scope="module")
def board() -> Iterator[Callable[[str], Guest]]:
    """board("onnxruntime") -> an aarch64 machine with that engine."""
    there: dict[str, Guest] = {}

    def made(engine: str) -> Guest:
        if engine not in there:
            place = guest.root("arm64")
            small = guest.wheels("arm64", "small", arm.SMALL)
            there[engine] = Guest("arm64", place, guest.emulators() / "qemu-aarch64", ["/opt/app", small, guest.wheels("arm64", engine, arm.ENGINES[engine])])
        return there[engine]

    yield made
    for one in there.values():
        one.close()


def job(format: str, precision: str, backend: str) -> Job:
    spec = Spec(model=MODEL, format=format, precision=precision, backend=backend, timeout_s=900)
    return Job(spec=spec, part="accuracy", examples=list(TEXTS), expected=Labels(labels=["positive"] * len(TEXTS), dataset="x", sha256="x", source="x"))


def alike(there: list[list[float]], here: list[list[float]]) -> float:
    return max(abs(one - other) for row, line in zip(there, here, strict=True) for one, other in zip(row, line, strict=True))


@pytest.mark.parametrize(("format", "precision", "backend"), CELLS)
def test_an_engine_answers_on_aarch64_as_here(
    board: Callable[[str], Guest], format: str, precision: str, backend: str, capsys: pytest.CaptureFixture[str],
) -> None:
    asked = job(format, precision, backend)
    there, here = board(backend).run(asked), LocalExecutor(HERE).run(asked)
    assert there.accuracy
    assert here.accuracy
    assert there.accuracy.predictions == here.accuracy.predictions
    difference = alike(there.accuracy.probabilities, here.accuracy.probabilities)
    with capsys.disabled():
        print(f"\n  {format}/{precision} in {backend} {there.engine['version']} on aarch64: {len(TEXTS)} equal labels, outputs within {difference:.1e}")
    assert difference < TOLERANCE


def test_a_record_of_an_emulated_machine_says_so_and_keeps_no_time(board: Callable[[str], Guest]) -> None:
    facts = board("onnxruntime").facts()
    assert (facts["machine"], facts["emulated"]) == ("aarch64", True)
    spec = Spec(model=MODEL, format="onnx", precision="int8", backend="onnxruntime", passes=("cold",), processes=1, max_processes=1, timeout_s=900)
    labelled = Labelled(TEXTS, (1,) * len(TEXTS), ("negative", "positive"), "six", "dev", "made in a test", "ab12", "MIT", "")
    kept = list[Record]()
    model = Model(cards.read(catalog.find("models", MODEL)), None, labelled)
    Sweep(Plan([spec], [], {MODEL: model}, 0), board("onnxruntime").run, host=facts, keep=kept.append, tell=lambda _: None).run()
    assert (kept[0].outcome, kept[0].cold) == ("ok", [])
    assert any(note.startswith("emulated: ") for note in kept[0].notes)
