"""pytest: a test that fails where a model breaks its budgets on this machine.

    @pytest.mark.edgebench_budget("tinybert-sst2", "p90 <= 50 ms", "peak <= 200 MB", backend="onnxruntime", precision="int8")
    def test_it_fits() -> None: ...

    def test_int8_is_not_much_worse(edgebench_measure) -> None:
        record = edgebench_measure("tinybert-sst2", backend="onnxruntime", precision="int8")
        assert record.parity.agreement > 0.95

The cell is measured in fresh processes, as `edgebench bench --quick` does, once in a run of pytest. Times want the machine
to themselves, so leave `-n` of pytest-xdist out. Nothing of edgebench is imported before a test asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from edgebench.bench.budgets import Budget
    from edgebench.bench.plan import Ask, Plan
    from edgebench.record import Record, Spec

MARKER = "edgebench_budget"
ABOUT = f"{MARKER}(model, *budgets, **cell): measure the cell and fail where it breaks a budget, e.g. 'p90 <= 50 ms' (edgebench)"
MEASURED: pytest.StashKey[dict[Spec, Record]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("edgebench", "edgebench")
    group.addoption("--edgebench-json", metavar="FILE", help="Write the cells that tests measured in the JSON format of pytest-benchmark.")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", ABOUT)
    config.stash[MEASURED] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Find a wrong marker before any test runs."""
    for item in items:
        for mark in item.iter_markers(MARKER):
            _budgets(item, mark)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Hold the item's cells to their budgets before the test's own body runs."""
    for mark in item.iter_markers(MARKER):
        from edgebench.bench.budgets import broken

        budgets = _budgets(item, mark)
        record = _measured(item.config, mark.args[0], mark.kwargs)
        sentences = broken(record, budgets)
        if sentences:
            pytest.fail("\n".join(f"{record.spec.name}: {sentence}" for sentence in sentences), pytrace=False)


@pytest.fixture(scope="session")
def edgebench_measure(request: pytest.FixtureRequest) -> Callable[..., Record]:
    """measure(model, backend="onnxruntime", precision="int8", threads=1, effort="quick", ...) -> the Record of that one cell."""

    def measure(model: str, **cell: Any) -> Record:
        return _measured(request.config, model, cell)

    return measure


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    records = list(config.stash[MEASURED].values())
    if not records:
        return
    from edgebench.reports.recommend import numbers
    from edgebench.units import plain

    terminalreporter.section("edgebench")
    for record in records:
        terminalreporter.line(plain(f"{record.spec.name}: {record.verdict}, {numbers(record)}"))


def pytest_sessionfinish(session: pytest.Session) -> None:
    path = session.config.getoption("--edgebench-json")
    if not path or hasattr(session.config, "workerinput"):  # pytest-xdist's workers have no file of their own
        return
    from edgebench import whole
    from edgebench.reports.pytest_benchmark import render

    whole.write(Path(path), render(list(session.config.stash[MEASURED].values())))


def _budgets(item: pytest.Item, mark: pytest.Mark) -> list[Budget]:
    """The marker's budgets; pytest.UsageError names the test and what is wrong with its marker."""
    from edgebench.bench.budgets import Budget
    from edgebench.errors import UsageError

    try:
        if len(mark.args) < 2 or not all(isinstance(one, str) for one in mark.args):
            raise UsageError(f"expected a model and at least one budget as texts, found {', '.join(map(repr, mark.args)) or 'nothing'}")
        _ask(mark.args[0], **mark.kwargs)
        return [Budget.parse(text) for text in mark.args[1:]]
    except UsageError as error:
        raise pytest.UsageError(f"{item.nodeid}: {MARKER}: {error}") from error


def _measured(config: pytest.Config, model: str, cell: Mapping[str, Any]) -> Record:
    """The cell's record, measured now unless this run has it already; what is wrong with the cell fails the test in one sentence."""
    from edgebench.bench import pair
    from edgebench.errors import EdgebenchError

    measured = config.stash[MEASURED]
    try:
        asked = _ask(model, **cell)
        plan = pair.only(asked)
        (spec,) = plan.cells
        if spec not in measured:
            measured[spec] = _run(plan, asked.profile)
        return measured[spec]
    except EdgebenchError as error:
        wrong = str(error)
    pytest.fail(f"edgebench: {wrong}", pytrace=False)


def _ask(
    model: str, *, backend: str | None = None, precision: str | None = None, threads: int = 1, length: int | None = None, scenario: str = "single-stream",
    effort: str = "quick", **options: Any,
) -> Ask:
    """Of one cell; `options` are further fields of a Spec. UsageError for what is none, or of the wrong type."""
    import msgspec

    from edgebench.bench.plan import FULL, QUICK, USUAL, Ask, Effort
    from edgebench.errors import UsageError, did_you_mean
    from edgebench.record import Spec

    efforts = {"quick": QUICK, "usual": USUAL, "full": FULL}
    if effort not in efforts:
        raise UsageError(f"there is no effort {effort!r}; there are {', '.join(efforts)}.{did_you_mean(str(effort), efforts)}")
    known = [name for name in Spec.__struct_fields__ if name not in ("model", "format")]
    for name in options:
        if name not in known:
            raise UsageError(f"there is no option {name!r}; there are {', '.join(known)} and effort.{did_you_mean(name, [*known, 'effort'])}")
    try:
        cell = {"model": model, "format": "", "precision": precision or "", "backend": backend or "", "threads": threads, "length": length}
        msgspec.convert({**cell, "scenario": scenario, **options}, Spec)
    except msgspec.ValidationError as error:
        raise UsageError(f"an option is of the wrong type: {error}") from error
    given = {name: options.pop(name) for name in ("seed", "allow_code", "timeout_s", "profile") if name in options}
    changed = {field.name: options[field.name] for field in fields(Effort) if field.name in options}
    return Ask(
        models=(model,), backends=(backend,) if backend else (), precisions=(precision,) if precision else (), threads=(threads,),
        lengths=(length,) if length else (), scenarios=(scenario,), effort=replace(efforts[effort], **changed), options=options, **given,
    )


def _run(plan: Plan, profile: str) -> Record:
    """The record of the plan's one cell, on the device of the profile."""
    from edgebench import catalog, plugins
    from edgebench.bench.run import Sweep
    from edgebench.devices import profile as profiles

    device = profiles.read(catalog.find("devices", profile))
    executor = plugins.get("devices", device.reach)(device)
    try:
        (record,) = Sweep(plan, executor.run, host=executor.facts(), keep=lambda record: None, tell=lambda progress: None).run()
    finally:
        executor.close()
    return record
