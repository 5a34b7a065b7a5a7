"""edgebench models list | show | verify | add: what can be opened, where it comes from, and whether its bytes are right."""

from __future__ import annotations

from pathlib import Path

import click

from edgebench import whole
from edgebench.errors import EdgebenchError, UsageError
from edgebench.units import plain


@click.group()
def command() -> None:
    """List, show, verify and add models."""


@command.command("list")
def list_models() -> None:
    """Every model there is, one a line."""
    from edgebench import catalog
    from edgebench.models import card as cards

    for name, path in catalog.paths("models").items():
        try:
            card = cards.read(path)
            click.echo(plain(f"{name:24} {card.task:22} {', '.join(variant.name for variant in card.variants)}"))
        except EdgebenchError as error:
            click.echo(plain(f"{name:24} unreadable: {error}"))


@command.command()
@click.argument("model")
def show(model: str) -> None:
    """What MODEL is, its licence and source, and its variants.

    Of each variant its size, its accuracy, its file and the digest.
    """
    from edgebench import catalog, units
    from edgebench.models import card as cards

    path = catalog.find("models", model)
    card = cards.read(path)
    rows = [
        ("name", card.name), ("about", card.about), ("task", card.task), ("labels", ", ".join(card.labels)), ("licence", card.licence), ("source", card.source),
        ("dataset", card.dataset), ("parameters", f"{card.parameters:,}" if card.parameters else "not stated"), ("reference", card.reference),
    ]
    for key, value in (*rows, *((key, value) for key, value in card.made_by.items())):
        click.echo(plain(f"{key.replace('_', ' '):12} {value}"))
    for variant in card.variants:
        score = variant.accuracy
        measured = f"{score.value:.1%} [{score.low:.1%}, {score.high:.1%}] on {score.dataset}, n = {score.n}" if score else "accuracy not stated"
        click.echo("\n" + plain(f"{variant.name:18} {units.bytes_text(variant.total_bytes):>9}  {measured}"))
        for file in variant.files:
            click.echo(f"{'':18} {plain(file.file)}\n{'':18} sha256 {file.sha256}")


@command.command()
@click.argument("models", nargs=-1)
def verify(models: tuple[str, ...]) -> None:
    """Check the bytes of every file of MODELS against its card.

    Without MODELS those of all there are. Exit 1 if any is wrong.
    """
    from edgebench import catalog
    from edgebench.errors import IntegrityError
    from edgebench.models import card as cards
    from edgebench.models.artifact import verify as check

    wrong = 0
    for name in models or tuple(catalog.paths("models")):
        path = catalog.find("models", name)
        card = cards.read(path)
        for one in card.listed:
            try:
                check(path.parent / one.file, one.sha256, one.size_bytes)
                click.echo(plain(f"ok     {one.file}"))
            except IntegrityError as error:
                wrong += 1
                click.echo(plain(f"wrong  {error}"))
    if wrong:
        raise IntegrityError(f"{wrong} of the files above are wrong; nothing will open them until they are restored")


@command.command()
@click.argument("card_file", type=click.Path(path_type=Path))
def add(card_file: Path) -> None:
    """Add the model of CARD_FILE, to use it by name.

    Its files are checked, then copied with the card into your own models folder.
    """
    from edgebench import catalog
    from edgebench.models import card as cards
    from edgebench.models.artifact import verify as check

    card = cards.read(card_file)
    target = catalog.user_folder("models")
    if (target / f"{card.name}.toml").exists():
        raise UsageError(f"{target / card.name}.toml is there already; delete it first, or give your card another name")
    for one in card.listed:
        check(card_file.parent / one.file, one.sha256, one.size_bytes)
    for one in card.listed:
        (target / one.file).parent.mkdir(parents=True, exist_ok=True)
        whole.copy(card_file.parent / one.file, target / one.file)
        check(target / one.file, one.sha256, one.size_bytes)
    whole.copy(card_file, target / f"{card.name}.toml")  # last: from then on the model has a name
    click.echo(f"added {card.name}; try: edgebench predict {card.name} ...")
