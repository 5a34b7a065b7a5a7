"""edgebench serve [MODEL...]: a page that any phone opens, which measures there and sends the records here.

    edgebench serve
    edgebench serve tinybert-sst2 --host 0.0.0.0 --tls
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgebench.cli.options import Counts, Names
from edgebench.units import plain

if TYPE_CHECKING:
    from edgebench.bench.plan import Ask, Plan
    from edgebench.bench.run import Progress
    from edgebench.devices.browser.executor import BrowserExecutor
    from edgebench.devices.browser.site import Site
    from edgebench.devices.profile import Profile
    from edgebench.record import Record

PASSES = ("accuracy", "latency", "cold")  # what a page can do of a scenario's
SUSTAINED_MINUTES = 10.0
MOST_THREADS = 4  # more than the fast cores of a phone, and a call waits for the slow ones
AT_ONCE = 2  # untimed passes: the reference is answered here while the page answers there, one by one
FAREWELL_S = 5.0  # so long a page may take to hear that all is measured

EXIT = """\b
Exit status:
  0    every cell was measured, or says why it cannot be
  1    a cell failed; the others stand
  2    wrong usage
  3    nothing could be measured there
  4    with --strict: a cell is noisy or invalid
  130  interrupted; the records so far are in the file"""


@click.command(epilog=EXIT)
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0: any that is free.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen; 0.0.0.0: the local network too.")
@click.option("--tls", is_flag=True, help="https, by a certificate made now: without it a phone in the network has no threads and no GPU.")
@click.option("--once", is_flag=True, help="End after one page.")
@click.option("-b", "--backend", "backends", type=Names(), default=(), help="onnxruntime-web, litert-web. Default: both.")
@click.option("-p", "--precision", "precisions", type=Names(), default=(), help="Precisions to offer. Default: all the model has.")
@click.option("-t", "--threads", type=Counts(), default=(), help="Threads to offer. Default: 1, and as many as the phone has, up to 4.")
@click.option("-l", "--length", "lengths", type=Counts(), default=(), metavar="32,128", help="Cut or join real inputs to so many tokens. Default: as they are.")
@click.option("-s", "--scenario", "scenarios", type=Names(), default=("single-stream",), help="single-stream, sustained, first-answer.")
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="How long each process times; sustained: 10.")
@click.option("--profile", "profile_name", default="browser", show_default=True, metavar="NAME", help="The profile of the phone.")
@click.option("--quick", is_flag=True, help="Three processes a cell, each 0.3 s of timing; 256 examples.")
@click.option("--full", is_flag=True, help="Five processes a cell or more, each 60 s and 1024 calls; every example.")
@click.option("--examples", type=click.IntRange(min=1), help="Labelled examples to judge accuracy by.")
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Look for labelled data in this folder first.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Append the records here. Default: results/<UTC time>.jsonl.")
@click.option("--resume", is_flag=True, help="Measure only what the file of -o does not hold yet of that phone.")
@click.option("--seed", type=int, default=0, show_default=True, help="Draws inputs, examples and the order of cells.")
@click.option("--strict", is_flag=True, help="Exit 4 if a cell is noisy or invalid.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), help="Seconds for each pass of a cell. Default: 300, with --full 1800.")
@click.pass_context
def command(
    context: click.Context, /, models: tuple[str, ...], port: int, host: str, tls: bool, once: bool, profile_name: str, data: Path | None,
    output: Path | None, resume: bool, strict: bool, **asked: Any,
) -> None:
    """Measure MODELs on a phone that opens a page, with nothing to install there.

    It prints an address and a code to scan. The page runs the models in the
    phone's browser, and the records come here. Each code opens one page.
    """
    from edgebench import catalog
    from edgebench.bench.plan import plan
    from edgebench.cli.sweep import new_file, status
    from edgebench.devices import profile as profiles
    from edgebench.devices.browser.engines import ENGINES

    if resume and not output:
        raise click.UsageError("--resume goes on with a file of records; name it with -o")
    profile = profiles.read(catalog.find("devices", profile_name))
    ask = _ask(models, profile, **asked)
    plan(replace(ask, threads=ask.threads or (1,)), folder=data, there=ENGINES)  # what is wrong with the asking is said before anybody scans anything
    site, address = _site(host, port, tls)
    found: list[Record] = []
    try:
        while True:
            found = _visit(site, address, ask, data, profile, output or new_file(), resume)
            if once:
                break
    finally:
        site.close()
    context.exit(status(found, strict))


def _ask(
    models: tuple[str, ...], profile: Profile, *, quick: bool, full: bool, examples: int | None, timeout: float | None, minutes: float | None,
    scenarios: tuple[str, ...], **rest: Any,
) -> Ask:
    from edgebench.bench import scenarios as known
    from edgebench.bench.plan import FULL, QUICK, USUAL, Ask
    from edgebench.devices.browser.jobs import SCENARIOS

    if quick and full:
        raise click.UsageError("--quick and --full exclude each other; give one of them")
    for name in scenarios:
        if name not in SCENARIOS and known.get(name):
            raise click.UsageError(f"a page runs the scenarios {', '.join(SCENARIOS)}, not {name!r}")
    effort = QUICK if quick else FULL if full else USUAL
    minutes = minutes or (SUSTAINED_MINUTES if "sustained" in scenarios else None)
    timeout = timeout or max(1800.0 if full else 300.0, 120 * (minutes or 0))
    options = {"min_time_s": 60 * minutes} if minutes else {}
    return Ask(
        models=models, effort=replace(effort, examples=examples) if examples else effort, scenarios=scenarios, timeout_s=timeout, profile=profile.name,
        options=options, **rest,
    )  # fmt: skip


def _site(host: str, port: int, tls: bool) -> tuple[Site, str]:
    """The open site, and its address for people."""
    from edgebench.devices.browser import certificate
    from edgebench.devices.browser.engines import ENGINES, ORT_GPU, fetched
    from edgebench.devices.browser.network import is_loopback, names, reachable
    from edgebench.devices.browser.site import Site

    click.echo("fetching the engines that the page runs, once ...", err=True, nl=False)
    engines = {one: fetched(one) for one in (*ENGINES.values(), ORT_GPU)}
    click.echo(" done", err=True)
    context, fingerprint = certificate.made(names(host)) if tls else (None, "")
    site = Site(host, port, names=names(host), tls=context)
    for one, files in engines.items():
        site.offer(one, files)
    site.open()
    shown = reachable(host)
    if fingerprint:
        click.echo(f"certificate, SHA-256: {fingerprint}\nThe browser warns, since nobody signed it; go on if it shows the same fingerprint.", err=True)
    elif not is_loopback(host):
        click.echo("plain http: a phone gives such a page no threads and no GPU; --tls does, and so does a cable (adb reverse)", err=True)
    return site, f"{'https' if tls else 'http'}://{f'[{shown}]' if ':' in shown else shown}:{site.server_port}/"


def _visit(site: Site, address: str, ask: Ask, data: Path | None, profile: Profile, output: Path, resume: bool) -> list[Record]:
    """Everything for one page: its code, what its user chooses, the sweep, the table."""
    from edgebench import plugins
    from edgebench.cli import report as reports
    from edgebench.cli.sweep import measure
    from edgebench.devices.browser.executor import BrowserExecutor

    executor = BrowserExecutor(profile, served=True)
    site.visitors.append(executor)
    _show(f"{address}#{executor.code}")
    try:
        host = executor.facts()
        click.echo(plain(f"a page is open: {host['board']}, {host['cores'] or 'unknown'} cores, {_given(host['page'])}"), err=True)
        offered = _plan(ask, data, host)
        chosen = set(executor.offer(_cells(offered)))
        cells = [spec for number, spec in enumerate(offered.cells) if str(number) in chosen]
        records = measure(replace(offered, cells=cells), executor, output, resume=resume, watcher=_Shown(executor), at_once=AT_ONCE)
    finally:
        executor.close()
        site.visitors[:] = site.visitors[-8:]
    click.echo(plugins.get("reports", "table")(records, **reports.terminal()), nl=False)
    click.echo(f"records: {output}", err=True)
    executor.wait_for_farewell(FAREWELL_S)
    return records


def _given(page: dict[str, Any]) -> str:
    gpu = page["webgpu"]
    return ", ".join([
        "isolated" if page["isolated"] else "not isolated", "threads" if page["threads"] else "one thread", "SIMD" if page["simd"] else "no SIMD",
        f"WebGPU ({gpu['name']}{', in software' if gpu['software'] else ''})" if gpu else "no WebGPU",
    ])  # fmt: skip


def _plan(ask: Ask, data: Path | None, host: dict[str, Any]) -> Plan:
    """What this page can be asked, each cell that it cannot as a row with the reason; with WebGPU, its cells too."""
    import msgspec

    from edgebench import catalog
    from edgebench.bench.plan import plan, refused
    from edgebench.devices.browser.engines import ENGINES, ORT_CPU
    from edgebench.devices.browser.jobs import PRECISIONS, why_not
    from edgebench.models import card as cards

    most = min(MOST_THREADS, host["cores"] or 1) if host["page"]["threads"] else 1
    found = plan(replace(ask, threads=ask.threads or tuple(sorted({1, most}))), folder=data, there=ENGINES)
    specs = [msgspec.structs.replace(spec, passes=tuple(one for one in spec.passes if one in PASSES)) for spec in found.cells]
    if host["page"]["webgpu"]:
        first = {(spec.model, spec.precision, spec.length, spec.scenario): spec for spec in reversed(specs) if spec.backend == ORT_CPU.name}
        able = [spec for spec in first.values() if spec.precision in PRECISIONS["webgpu"]]
        specs += [msgspec.structs.replace(spec, threads=1, accelerator="webgpu") for spec in reversed(able)]
    whys = [(spec, why_not(cards.read(catalog.find("models", spec.model)), spec, host)) for spec in specs]
    rows = [refused(spec, why) for spec, why in whys if why]
    return replace(found, cells=[spec for spec, why in whys if not why], rows=[*found.rows, *rows])


def _cells(offered: Plan) -> list[dict[str, Any]]:
    """As the page lists them. The small ones are ticked: a phone may pay for what it downloads."""
    from edgebench.devices.browser.jobs import needed

    small = ("int8", "uint8")
    has_small = {spec.model for spec in offered.cells if spec.precision in small}
    return [
        {"id": str(number), "name": spec.name, "files": needed(spec),
         "ticked": spec.accelerator == "cpu" and (spec.precision in small or spec.model not in has_small)}
        for number, spec in enumerate(offered.cells)
    ]  # fmt: skip


@dataclass(frozen=True)
class _Shown:
    """Carries what the sweep tells to the page."""

    executor: BrowserExecutor

    def tell(self, progress: Progress) -> None:
        self.executor.show(progress.done, progress.total)

    def finished(self, record: Record) -> None:
        self.executor.finished(card(record))


def card(record: Record) -> dict[str, Any]:
    """A record as the page shows it: its name, the one figure, the verdict, and what a reader should know."""
    from edgebench.reports.base import first_answer_ns, interval
    from edgebench.units import duration_text, percent_text

    time, first, right, parity = interval(record), first_answer_ns(record), record.accuracy, record.parity
    lines = [
        *([f"first answer {duration_text(first)}"] if first else []),
        *([f"{right.metric} {percent_text(right.value)} of {right.n}"] if right else []),
        *([f"same answers as {parity.reference}: {percent_text(parity.agreement)}"] if parity else []),
        *record.reasons,
    ]
    return {"name": record.spec.name, "figure": duration_text(time.value) if time else "–", "verdict": record.verdict, "lines": lines}


def _show(address: str) -> None:
    """The address, and on a terminal the code that leads to it."""
    import sys

    click.echo(f"open {address}", err=True)
    if sys.stderr.isatty() and (code := scannable(address)):
        click.echo(code, err=True)


def scannable(address: str) -> str:
    """A QR code of two modules to a character, dark on light whatever the terminal's colours; empty without segno."""
    try:
        import segno
    except ImportError:
        return ""
    rows = [[bool(one) for one in row] for row in segno.make(address, micro=False, error="l").matrix_iter(border=2)]
    rows += [[False] * len(rows[0])] * (len(rows) % 2)
    halves = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}
    lines = ["".join(halves[pair] for pair in zip(upper, lower, strict=True)) for upper, lower in zip(rows[::2], rows[1::2], strict=True)]
    return "\n".join(f"\x1b[30;107m{line}\x1b[0m" for line in lines)
