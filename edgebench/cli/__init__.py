"""The `edgebench` command: the list of its commands, and the one place that turns an error into a line and an exit status.

A command's module is imported when the command is called or its help is shown, never for `edgebench --help`.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from edgebench import __version__
from edgebench.errors import EdgebenchError, UnsupportedError, UsageError, did_you_mean
from edgebench.units import plain

# name -> (module with an object `command`, its line in the help), sorted
COMMANDS: dict[str, tuple[str, str]] = {
    "bench": ("edgebench.cli.bench", "Measure time, memory and accuracy of models in every engine here."),
    "compare": ("edgebench.cli.compare", "Say whether one of two is faster, and what it gives and takes."),
    "compress": ("edgebench.cli.compress", "Make a fine-tuned model smaller: prune, factorise, trim."),
    "convert": ("edgebench.cli.convert", "Write published weights as files of every engine, with a card."),
    "devices": ("edgebench.cli.devices", "List, show or add profiles of devices; prepare, check, clean one."),
    "doctor": ("edgebench.cli.doctor", "Say what works here, what makes times noisy, and what helps."),
    "export": ("edgebench.cli.export", "Write a trained model as files of every engine, with a card."),
    "models": ("edgebench.cli.models", "List, show, verify or add models."),
    "operators": ("edgebench.cli.operators", "Show which operators of a model take the time."),
    "predict": ("edgebench.cli.predict", "Ask a model about texts or files."),
    "recommend": ("edgebench.cli.recommend", "Say which measured cell to take within limits, and why."),
    "report": ("edgebench.cli.report", "Show records as a table, a page, plots, or a file of numbers."),
    "roofline": ("edgebench.cli.roofline", "Measure this machine's roofs, and place a model under them."),
    "serve": ("edgebench.cli.serve", "Measure on a phone that opens a page; nothing is installed there."),
    "study": ("edgebench.cli.study", "Compare models, methods and engines in one report."),
    "train": ("edgebench.cli.train", "Run a recipe: distil a small model."),
    "tune": ("edgebench.cli.tune", "Search how to run a model fastest here."),
}

EXIT = """\b
Exit status:
  0    all is well
  1    something failed; every other result stands
  2    wrong usage
  3    not supported or not installed here
  4    with --strict: a result is noisy or invalid
  5    a budget is broken
  130  interrupted"""


class _Commands(click.Group):
    """A group that knows its commands by name and imports one when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name][0]).command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            ctx.fail(f"there is no command {args[0]!r}; there are {', '.join(COMMANDS)}.{did_you_mean(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=_Commands, epilog=EXIT, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="edgebench %(version)s")
@click.pass_context
def group(context: click.Context) -> None:
    """Run compressed models on small devices, and measure what each one costs and loses there."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The console script: run one command and exit with its status."""
    sys.exit(status(sys.argv[1:] if arguments is None else arguments))


def status(arguments: Sequence[str]) -> int:
    """Run one command; its exit status, with every expected error as one line on stderr."""
    try:
        with group.make_context("edgebench", list(arguments)) as context:
            group.invoke(context)
            sys.stdout.flush()
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.ClickException as error:
        usage = error.ctx.get_usage() if isinstance(error, click.UsageError) and error.ctx else None
        return _say(2, error.format_message(), usage)
    except UsageError as error:
        return _say(2, error)
    except UnsupportedError as error:
        return _say(3, error)
    except EdgebenchError as error:
        return _say(1, error)
    except (KeyboardInterrupt, click.Abort):
        return 130
    except BrokenPipeError:  # the reader, e.g. `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the interpreter's own flush at exit must not complain
        return 141
    except OSError as error:  # a full or read-only disk, no more open files: nothing that was written before is harmed
        return _say(1, f"{error.filename or 'the system'}: {error.strerror or error}; make room there, or name another place")
    return 0


def _say(code: int, message: Any, usage: str | None = None) -> int:
    """One line, and no character that a terminal would obey: an engine's words may hold what a model file says."""
    line = plain(f"error: {message}")
    click.echo(f"{usage}\n{line}" if usage else line, err=True)
    return code
