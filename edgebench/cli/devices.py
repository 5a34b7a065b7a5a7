"""edgebench devices list | show | add | prepare | check | clean | worker: the profiles there are, one more, and what its device needs and has.

    edgebench devices add desk-pi --address pi@desk-pi.local --like raspberry-pi-5 --prepare
    edgebench devices check desk-pi
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from edgebench import whole
from edgebench.errors import EdgebenchError, UsageError
from edgebench.units import plain

if TYPE_CHECKING:
    from edgebench.devices.base import Executor
    from edgebench.devices.line import LineExecutor
    from edgebench.devices.profile import Profile


@click.group()
def command() -> None:
    """List, show or add profiles of devices; prepare, check, clean one."""


@command.command("list")
def list_profiles() -> None:
    """Every profile, one a line."""
    from edgebench import catalog
    from edgebench.devices import profile as profiles

    for name, path in catalog.paths("devices").items():
        try:
            click.echo(plain(f"{name:22} {profiles.read(path).about}"))
        except EdgebenchError as error:
            click.echo(plain(f"{name:22} unreadable: {error}"))


@command.command()
@click.argument("name")
def show(name: str) -> None:
    """What the profile NAME says. For `host`, what is found on this machine."""
    profile = _read(name)
    rows = {key: getattr(profile, key) for key in profile.__struct_fields__ if key not in ("schema", "name", "about", "sources")}
    if profile.reach == "local":
        del rows["python"]
    if profile.name == "host":
        executor = _executor(profile)
        rows |= executor.facts()
        executor.close()
    click.echo(plain(f"{profile.name}: {profile.about}"))
    for key, value in rows.items():
        if value not in (None, (), {}, []):
            click.echo(plain(f"{key.replace('_', ' '):22} {_text(value)}"))
    for source in profile.sources:
        click.echo(plain(f"{'source':22} {source}"))


@command.command()
@click.argument("name")
@click.pass_context
def check(context: click.Context, name: str) -> None:
    """Reach the device of profile NAME, and say what works there.

    Each engine there is asked about a bundled model. Exit 3 if none works.
    """
    from edgebench.cli.doctor import machine, outlined

    profile = _read(name)
    executor = _executor(profile)
    try:
        facts = executor.facts()
        findings = executor.findings()
    finally:
        executor.close()
    click.echo("\n".join([f"{profile.name}{f' at {profile.address}' if profile.address else ''}", *machine(facts), *outlined(findings)]))
    engines = {one.name for one in findings if one.group == "works here" and one.state == "ok"} & set(_engines())
    context.exit(0 if engines else 3)


@command.command()
@click.argument("name")
@click.option("--address", required=True, metavar="USER@HOST", help="Where ssh finds it; a name from your ssh_config will do. By adb: its serial.")
@click.option("--port", type=click.IntRange(1, 65535), help="Default: what ssh_config says, or 22.")
@click.option("--python", default="python3", show_default=True, help="The interpreter there that has edgebench, e.g. venv/bin/python.")
@click.option("--ssh-config", type=click.Path(exists=True, dir_okay=False, resolve_path=True), help="A file to read in place of your own ssh_config.")
@click.option("--like", metavar="NAME", help="Take threads, limits, cool-down and budgets from this profile.")
@click.option("--reach", default="ssh", show_default=True, help="How it is reached.")
@click.option("--prepare", "preparing", is_flag=True, help="First put edgebench there, as `edgebench devices prepare` does.")
def add(name: str, like: str | None, preparing: bool, **way: Any) -> None:
    """Ask the device at an address, and keep its profile as NAME.

    What the profile says of its processor and memory is what the device
    answers; it is written into your own devices folder.
    """
    from edgebench import catalog
    from edgebench.devices import profile as profiles

    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise UsageError(f"name is {name!r}; expected letters, digits, '.', '_' and '-', since it names a file")
    path = catalog.user_folder("devices") / f"{name}.toml"
    if path.exists():
        raise UsageError(f"{path} is there already; delete it first, or take another name")
    profiles.check_address(way["address"])
    profile = profiles.derived(name, _read(like) if like else None, **way)
    executor = _executor(profile)
    try:
        if preparing:
            _prepare(executor, ())
        facts = executor.facts()
    finally:
        executor.close()
    path.parent.mkdir(parents=True, exist_ok=True)
    whole.write(path, profiles.text(profiles.found(profile, facts)))
    click.echo(f"added {name}; try: edgebench devices check {name}")


@command.command()
@click.argument("name")
@click.option("--engine", "engines", multiple=True, metavar="NAME", help="Default: those that the profile expects.")
def prepare(name: str, engines: tuple[str, ...]) -> None:
    """Put edgebench and its engines on the device of profile NAME.

    By ssh the device needs Python 3.11 or later; a phone by adb is brought
    one. It needs no network: wheels are found here for its platform, copied
    once, and unpacked below one folder of edgebench's there.
    """
    executor = _executor(_read(name))
    try:
        _prepare(executor, engines)
    finally:
        executor.close()
    click.echo(f"edgebench devices clean {name} takes it away again")


@command.command()
@click.argument("name")
def clean(name: str) -> None:
    """Remove all that edgebench has on the device of profile NAME.

    What `prepare` put there, and the models that were copied for sweeps.
    """
    from edgebench.devices import prepare as preparing
    from edgebench.units import bytes_text

    executor = _executor(_read(name))
    try:
        gone = preparing.clean(_by_line(executor))
    finally:
        executor.close()
    if gone.size_bytes is None:
        click.echo(plain(f"{name}: nothing of edgebench is there ({gone.folder})"))
    else:
        click.echo(plain(f"{name}: removed {gone.folder}, {bytes_text(gone.size_bytes)}"))


@command.command()
@click.argument("name")
@click.argument("scheduler", metavar="TCP://HOST:PORT")
@click.option("--also", multiple=True, metavar="NAME", help="A further name that cells find this device by, e.g. the profile that it is like.")
def worker(name: str, scheduler: str, also: tuple[str, ...]) -> None:
    """Measure what a dask scheduler sends to the device of NAME.

    Runs on the device itself or, where the profile says how it is reached,
    beside it. One cell at a time; until Ctrl-C, or the scheduler ends.
    """
    from edgebench.devices import station

    click.echo(f"{name}: waiting for cells from {scheduler}", err=True)
    station.serve(name, scheduler, also=also)


def _read(name: str) -> Profile:
    from edgebench import catalog
    from edgebench.devices import profile as profiles

    return profiles.read(catalog.find("devices", name))


def _executor(profile: Profile) -> Executor:
    from edgebench import plugins

    made: Executor = plugins.get("devices", profile.reach)(profile)
    return made


def _by_line(executor: Executor) -> LineExecutor:
    from edgebench.devices.line import LineExecutor

    if not isinstance(executor, LineExecutor):
        executor.close()
        raise UsageError("nothing is put on this machine or into a browser; expected the profile of a device that ssh or adb reaches")
    return executor


def _prepare(executor: Executor, engines: tuple[str, ...]) -> None:
    from edgebench.devices import prepare as preparing

    done = preparing.prepare(_by_line(executor), engines, tell=lambda line: click.echo(plain(line)))
    for engine, why in done.without.items():
        click.echo(plain(f"left out: {engine}: {why}"))
    if not done.copied:
        click.echo(f"nothing was copied: {done.kept} wheels are there")
    click.echo(plain(f"in {done.far.store}/kit: {', '.join(f'{one} {version}' for one, version in done.packages.items())}"))


def _engines() -> list[str]:
    from edgebench import plugins

    return plugins.names("backends")


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {one}" for key, one in value.items() if one is not None)
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_text, value))
    return str(value)
