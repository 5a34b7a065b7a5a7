"""edgebench doctor: what works on this machine, what can be sensed, what makes it noisy, and what to do about each.

    edgebench doctor
    edgebench doctor --format json
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from edgebench.bench.doctor import Finding
    from edgebench.bench.tryout import Engine

EXIT = """\b
Exit status:
  0    an engine works here
  2    wrong usage
  3    none does
  130  interrupted"""


@click.command(epilog=EXIT)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="What to print; json has all the facts, too.")
@click.pass_context
def command(context: click.Context, /, form: str) -> None:
    """Say what works here, what makes times noisy, and what helps.

    Each engine is asked about a bundled model in a process of its own, and a fixed calculation is timed for a second and
    a half. Nothing is changed. Commands that begin with sudo, or have it after a bar, need root.
    """
    from edgebench.bench import host, probes, tryout
    from edgebench.bench.doctor import noise, sensors, works

    facts, before = host.facts(), host.now()
    samples = tryout.steadiness()
    after = host.now(since=before)
    engines = _engines()
    findings = [
        *works(engines, tryout.models(), tryout.extras(), tryout.folders()),
        *sensors(facts, after, tryout.meter(), probes.proportional_bytes()),
        *noise(facts, before, after, samples),
    ]
    working = [one.name for one in engines if not one.error]
    click.echo(_text(facts, findings, engines) if form == "text" else _json(facts, after, findings, working))
    context.exit(0 if working else 3)


def _engines() -> list[Engine]:
    from edgebench import catalog, plugins
    from edgebench.bench import tryout
    from edgebench.devices import profile as profiles

    profile = profiles.read(catalog.find("devices", "host"))
    executor = plugins.get("devices", profile.reach)(profile)
    try:
        return list(tryout.engines(executor.run))
    finally:
        executor.close()


def _json(facts: dict[str, Any], now: dict[str, Any], findings: list[Finding], working: list[str]) -> str:
    import msgspec

    return msgspec.json.encode({"schema": 1, "engines": working, "findings": findings, "host": facts, "now": now}).decode()


def _text(facts: dict[str, Any], findings: list[Finding], engines: list[Engine]) -> str:
    from edgebench.units import plain

    works = sum(not one.error for one in engines)
    states = [one.state for one in findings]
    warnings = states.count("warn")
    sums = f"{works} of {len(engines)} engines work here; {warnings} warning{'s' if warnings != 1 else ''}, {states.count('missing')} missing"
    return "\n".join([*machine(facts), *outlined(findings), "", plain(sums)])


def machine(facts: dict[str, Any]) -> list[str]:
    """Versions, and what the machine is, a line each."""
    from edgebench.units import bytes_text, plain

    known = [facts["board"], facts["cpu"], f"{facts['cores']} cores", bytes_text(facts["memory_bytes"]) if facts["memory_bytes"] else None, facts["os"]]
    return [plain(f"edgebench {facts['packages']['edgebench']}, Python {facts['python']}"), plain(", ".join(filter(None, known)))]


def outlined(findings: list[Finding]) -> list[str]:
    """The groups; beneath what is not well, what helps, in a line that can be copied."""
    import shutil

    from edgebench.units import plain

    width = max(60, min(120, shutil.get_terminal_size((100, 24)).columns))
    lines = []
    names = max(len(one.name) for one in findings) + 2
    for group in dict.fromkeys(one.group for one in findings):
        lines += ["", group.capitalize()]
        for one in findings:
            if one.group == group:
                lines += _lines(one, names, width)
    return list(map(plain, lines))


def _lines(one: Finding, names: int, width: int) -> list[str]:
    import textwrap

    indent = " " * (11 + names)
    said = textwrap.wrap(one.said, width, initial_indent=f"  {one.state:7}  {one.name:{names}}", subsequent_indent=indent)
    return [*said, *([f"{indent}-> {one.do}"] if one.do else [])]
