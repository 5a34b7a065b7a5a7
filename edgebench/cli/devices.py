"""edgebench devices list | show NAME: the profiles there are, and what one says."""

from __future__ import annotations

import click

from edgebench.errors import EdgebenchError


@click.group()
def command() -> None:
    """List the device profiles, or show one."""


@command.command("list")
def list_profiles() -> None:
    """Every profile, one a line."""
    from edgebench import catalog
    from edgebench.devices import profile as profiles

    for name, path in catalog.paths("devices").items():
        try:
            click.echo(f"{name:18} {profiles.read(path).about}")
        except EdgebenchError as error:
            click.echo(f"{name:18} unreadable: {error}")


@command.command()
@click.argument("name")
def show(name: str) -> None:
    """What the profile NAME says. For `host`, what is found on this machine."""
    from edgebench import catalog, plugins
    from edgebench.devices import profile as profiles

    profile = profiles.read(catalog.find("devices", name))
    rows = {key: getattr(profile, key) for key in profile.__struct_fields__ if key not in ("schema", "name", "about", "sources")}
    if profile.name == "host":
        executor = plugins.get("devices", profile.reach)(profile)
        rows |= executor.facts()
        executor.close()
    click.echo(f"{profile.name}: {profile.about}")
    for key, value in rows.items():
        if value not in (None, (), {}, []):
            click.echo(f"{key.replace('_', ' '):22} {_text(value)}")
    for source in profile.sources:
        click.echo(f"{'source':22} {source}")


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {one}" for key, one in value.items() if one is not None)
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_text, value))
    return str(value)
