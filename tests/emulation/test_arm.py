"""The worker on aarch64 and on 32-bit ARM, in every engine that has a wheel there: the same labels as here, outputs within 1e-3, and no time kept.

    pytest tests/emulation -m emulation      # needs apt, unshare and some minutes; EDGEBENCH_EMULATION keeps what it downloads
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgebench import catalog
from edgebench.bench.job import Job, Labels
from edgebench.bench.plan import Model, Plan
from edgebench.bench.run import Sweep
from edgebench.devices.far import HERE
from edgebench.devices.local import LocalExecutor
from edgebench.errors import EngineError
from edgebench.models import card as cards
from edgebench.models.data import Labelled
from edgebench.record import Record, Spec
from scripts import arm
from tests.conftest import digest
from tests.emulation import guest
from tests.emulation.guest import Guest

pytestmark = pytest.mark.emulation

MODEL = "tinybert-sst2"
TEXTS = ("a gripping film", "not worth the ticket", "dull and slow", "a warm, funny and moving story", "", "it has no right to be this thrilling")
CELLS = [("onnx", "fp32", "onnxruntime"), ("onnx", "int8", "onnxruntime"), ("tflite", "int8", "tflite")]
TOLERANCE = 1e-3


@pytest.fixture(scope="module", autouse=True)
def possible() -> None:
    guest.possible()


@pytest.fixture(scope="module")
def board() -> Iterator[Callable[[str], Guest]]:
    """board("onnxruntime") -> an aarch64 machine with that engine."""
    there: dict[str, Guest] = {}

    def made(engine: str) -> Guest:
        if engine not in there:
            place = guest.root("arm64")
            small = guest.wheels("arm64", "small", arm.SMALL)
            cpu = guest.PI_5 if engine == "torchscript" else None  # PyTorch's wheel uses instructions that a Raspberry Pi 4's processor has not
            paths = ["/opt/app", small, guest.wheels("arm64", engine, arm.ENGINES[engine])]
            there[engine] = Guest("arm64", place, guest.emulators() / "qemu-aarch64", paths, cpu=cpu)
        return there[engine]

    yield made
    for one in there.values():
        one.close()


def job(format: str, precision: str, backend: str, model: str = MODEL, label: str = "positive") -> Job:
    spec = Spec(model=model, format=format, precision=precision, backend=backend, timeout_s=900, allow_code=True)
    return Job(spec=spec, part="accuracy", examples=list(TEXTS), expected=Labels(labels=[label] * len(TEXTS), dataset="x", sha256="x", source="x"))


def alike(there: list[list[float]], here: list[list[float]]) -> float:
    return max(abs(one - other) for row, line in zip(there, here, strict=True) for one, other in zip(row, line, strict=True))


def program(folder: Path) -> Path:
    """The card of a BERT of 2 layers in fp32 as TorchScript, with random weights and the bundled model's words."""
    from edgebench.train.export import export
    from tests.train.test_export import random_net

    [made] = export(random_net(vocab=30522), folder / "random", variants=["torchscript/fp32"])
    shutil.copy(catalog.find("models", MODEL).parent / MODEL / "tokenizer.json", folder / "random")
    card = folder / "random.toml"
    card.write_text(
        'schema = 1\nname = "random"\ntask = "text-classification"\nabout = "random weights"\nlicence = "Apache-2.0"\nsource = "made in a test"\n'
        'labels = ["one", "two", "three"]\ndataset = "none"\nreference = "torchscript/fp32"\n'
        f'[files]\ntokenizer = {{ file = "random/tokenizer.json", {digest(folder / "random/tokenizer.json")} }}\n'
        f'[[variants]]\nformat = "torchscript"\nprecision = "fp32"\nfile = "random/{made.path.name}"\n'
        f'{digest(made.path).replace(", ", chr(10))}\n'
    )
    return card


@pytest.mark.parametrize(("format", "precision", "backend"), CELLS)
def test_an_engine_answers_on_aarch64_as_here(
    board: Callable[[str], Guest], format: str, precision: str, backend: str, capsys: pytest.CaptureFixture[str],
) -> None:
    same(board(backend), job(format, precision, backend), capsys)


def test_pytorch_answers_on_aarch64_as_here(board: Callable[[str], Guest], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("transformers", reason="the program is made with edgebench[train]")
    same(board("torchscript"), job("torchscript", "fp32", "torchscript", str(program(tmp_path)), "one"), capsys)


def test_pytorch_in_int8_says_why_it_does_not_run_under_emulation(board: Callable[[str], Guest]) -> None:
    with pytest.raises(EngineError, match="failed to initialize QNNPACK"):
        board("torchscript").run(job("torchscript", "int8", "torchscript"))


def same(board: Guest, asked: Job, capsys: pytest.CaptureFixture[str]) -> None:
    """The labels are those of this machine, and so are the probabilities, nearly."""
    there, here = board.run(asked), LocalExecutor(HERE).run(asked)
    assert there.accuracy
    assert here.accuracy
    assert there.accuracy.predictions == here.accuracy.predictions
    difference, spec = alike(there.accuracy.probabilities, here.accuracy.probabilities), asked.spec
    with capsys.disabled():
        print(f"\n  {spec.format}/{spec.precision} in {spec.backend} {there.engine['version']}: {len(TEXTS)} equal labels, outputs within {difference:.1e}")
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


def test_tflite_runtime_answers_on_32_bits_as_here(capsys: pytest.CaptureFixture[str]) -> None:
    if not shutil.which(arm.CROSS):
        pytest.skip(f"msgspec has no wheel for 32-bit ARM and is compiled with {arm.CROSS}: sudo apt install gcc-arm-linux-gnueabihf")
    place = guest.root("armhf", ["python3-numpy", "python3-psutil"])  # the package index has no wheel of these either, and Debian has both
    engine = guest.wheels("armhf", "tflite", ("tflite-runtime", "tokenizers"))
    if not (place / "opt/msgspec").exists():
        arm.msgspec(place / "opt/msgspec.part", guest.folder() / "msgspec")
        (place / "opt/msgspec.part").rename(place / "opt/msgspec")
    board = Guest("armhf", place, guest.emulators() / "qemu-arm", ["/opt/app", engine, "/opt/msgspec"])
    try:
        assert board.facts()["machine"] == "armv7l"
        same(board, job("tflite", "int8", "tflite"), capsys)
    finally:
        board.close()
