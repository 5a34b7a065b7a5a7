"""The help texts, as whole text, and what is said to a command line that is wrong."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from edgebench import __version__
from edgebench.cli import COMMANDS, group, status

EDGEBENCH = """\
Usage: edgebench [OPTIONS] [COMMAND] [ARGS]...

  Run compressed models on small devices, and measure what each one costs and
  loses there.

Options:
  --version   Show the version and exit.
  -h, --help  Show this message and exit.

Commands:
  bench      Measure time, memory and accuracy of models in every engine here.
  compare    Say whether one of two is faster, and what it gives and takes.
  compress   Make a fine-tuned model smaller: prune, factorise, trim.
  convert    Write published weights as files of every engine, with a card.
  devices    List, show or add profiles of devices; prepare, check, clean one.
  doctor     Say what works here, what makes times noisy, and what helps.
  export     Write a trained model as files of every engine, with a card.
  models     List, show, verify or add models.
  operators  Show which operators of a model take the time.
  predict    Ask a model about texts or files.
  recommend  Say which measured cell to take within limits, and why.
  report     Show records as a table, a page, plots, or a file of numbers.
  roofline   Measure this machine's roofs, and place a model under them.
  serve      Measure on a phone that opens a page; nothing is installed there.
  study      Compare models, methods and engines in one report.
  train      Run a recipe: distil a small model.
  tune       Search how to run a model fastest here.

  Exit status:
    0    all is well
    1    something failed; every other result stands
    2    wrong usage
    3    not supported or not installed here
    4    with --strict: a result is noisy or invalid
    5    a budget is broken
    130  interrupted
"""

STUDY = """\
Usage: edgebench study [OPTIONS] [STUDY]

  Measure a STUDY's models in every engine and write one report: index.html,
  report.md and its figures.

  STUDY is the name of a bundled study or a TOML file of your own. Started
  again on the same --into, it goes on: only what is missing is measured.
  Models that are not here are rows that say so; --train makes them.

Options:
  --into DIRECTORY           Folder for records and report.  [default: study]
  --only TABLE               Measure and tell only these tables.
  --quick                    Three processes a cell, each 0.3 s of timing; 256
                             examples.
  --train                    Make the models that are not here, too: says
                             first how long it takes.
  --no-measure               Measure nothing: write the report of what is
                             known.
  --records FILE             Lines from elsewhere to take in: records, a
                             training log's, a sensitivity's.
  -b, --backend A,B          Engines to measure in. Default: all that are
                             installed.
  --profile NAME             The profile of the device to measure on.
                             [default: host]
  --cluster TCP://HOST:PORT  Send cells to the workers of a dask scheduler
                             that carry the profile's name: docs/fleet.md.
  --data DIRECTORY           Look for labelled data in this folder first.
  --fetch                    Download labelled sets and weights that are not
                             here.
  --examples INTEGER RANGE   Labelled examples to judge accuracy by.  [x>=1]
  --seed INTEGER             Draws inputs, examples and the order of cells.
                             [default: 0]
  --dry-run                  Say what would be made and measured, and about
                             how long it takes, and stop.
  -h, --help                 Show this message and exit.

  Exit status:
    0    the report is written
    1    a cell or a training failed; the report says which
    2    wrong usage
    3    a package that the report needs is not installed
    130  interrupted; what was measured is kept, the same command goes on
"""

BENCH = """\
Usage: edgebench bench [OPTIONS] [MODEL]...

  Measure time, memory and accuracy of MODELs in every engine and precision on
  this machine, or on the device of a profile.

  Each cell runs in fresh processes. A cell that is less accurate than its
  card allows is invalid, however fast it is.

Options:
  -b, --backend A,B               Engines to try. Default: all that are
                                  installed.
  -p, --precision A,B             Precisions to try. Default: all the model
                                  has.
  -t, --threads 1,2               Threads within one call. Default: the device
                                  profile's, 1.
  -l, --length 32,128             Cut or join real inputs to so many tokens.
                                  Default: as they are.
  --accelerator NAME              What the engine should run on, by its own
                                  name. Default: cpu.
  --require [any|full]            full: what the accelerator does not take is
                                  an error, not cpu's.
  --points all|NAMES              Speeds of a model that has several. Default:
                                  its first.
  -s, --scenario A,B              How queries come: see docs/scenarios.md.
                                  Default: single-stream.
  --batch INTEGER RANGE           Inputs in one query: multi-stream (8),
                                  offline (512).  [x>=1]
  --rate HZ                       server: offer only this many queries a
                                  second.  [x>0]
  --bound 50MS                    server: what 99 % of the queries must keep.
  --minutes FLOAT RANGE           How long each process times; sustained: 10.
                                  [x>0]
  --rules [edgebench|mlperf|loadgen]
                                  mlperf: LoadGen's least counts and 600 s;
                                  loadgen: driven by it.
  --energy                        Measure energy too, where the machine has a
                                  meter.
  --meter FILE                    A CSV file that an external power meter
                                  writes; see docs/energy.md.
  --roofline                      Measure what this machine can do too, and
                                  how near each cell comes to it.
  --cool-to C                     Before timing, wait until the hottest sensor
                                  is at most so warm.
  --profile NAME                  The profile of the device to measure on.
                                  [default: host]
  --fleet TCP://HOST:PORT         Send cells to the workers of a dask
                                  scheduler that carry the profile's name; see
                                  docs/fleet.md.
  --budget 'P90 <= 50 MS'         A limit that each cell must keep; may be
                                  given several times.
  --quick                         Three processes a cell, each 0.3 s of
                                  timing; 256 examples.
  --full                          Five processes a cell or more, each 60 s and
                                  1024 calls; every example.
  --format table|json|csv|md      What to print; json is every record, a line
                                  each.  [default: table]
  -o, --output FILE               Append the records here. Default:
                                  results/<UTC time>.jsonl.
  --report FILE                   Also write a report, in the format its
                                  ending says: .html, .md or .csv.
  --data DIRECTORY                Look for labelled data in this folder first.
  --fetch                         Download the model's labelled set once, if
                                  it is not here.
  --examples INTEGER RANGE        Labelled examples to judge accuracy by.
                                  [x>=1]
  --seed INTEGER                  Draws inputs, examples and the order of
                                  cells.  [default: 0]
  --allow-code                    Open TorchScript and ExecuTorch files, which
                                  are programs, of cards that are not bundled.
  --resume                        Measure only what the file of -o does not
                                  hold yet.
  --dry-run                       Say what would be measured and about how
                                  long it takes, and stop.
  --strict                        Exit 4 if a cell is noisy or invalid.
  --timeout FLOAT RANGE           Seconds for each pass of a cell. Default:
                                  300, with --full 1800.  [x>0]
  -h, --help                      Show this message and exit.

  Exit status:
    0    every cell was measured, or says why it cannot be
    1    a cell failed; the others stand
    2    wrong usage
    3    nothing could be measured here
    4    with --strict: a cell is noisy or invalid
    5    a budget is broken
    130  interrupted; the records so far are in the file
"""

REPORT = """\
Usage: edgebench report [OPTIONS] [RECORDS]...

  Show measured cells: as text, as a file of numbers, or as one HTML page with
  plots that needs no network.

  RECORDS are files that `edgebench bench -o` wrote. Default: the newest in
  results/.

Options:
  --format table|md|csv|json|html|parquet
                                  What to write. Default: by the ending of -o,
                                  else a table.
  -o, --output FILE               Write here; - is standard output.
  --plots DIRECTORY               Draw each plot into a file of this folder,
                                  too.
  --plot-format [svg|png]         Of these files.  [default: svg]
  -h, --help                      Show this message and exit.

  Exit status:
    0    the report is written
    1    a file cannot be read or written
    2    wrong usage, or there is no record
    3    a package that the format needs is not installed
"""

DEVICES = """\
Usage: edgebench devices [OPTIONS] COMMAND [ARGS]...

  List, show or add profiles of devices; prepare, check, clean one.

Options:
  -h, --help  Show this message and exit.

Commands:
  add      Ask the device at an address, and keep its profile as NAME.
  check    Reach the device of profile NAME, and say what works there.
  clean    Remove all that edgebench has on the device of profile NAME.
  list     Every profile, one a line.
  prepare  Put edgebench and its engines on the device of profile NAME.
  show     What the profile NAME says.
  worker   Measure what a dask scheduler sends to the device of NAME.
"""

DEVICES_CHECK = """\
Usage: edgebench devices check [OPTIONS] NAME

  Reach the device of profile NAME, and say what works there.

  Each engine there is asked about a bundled model. Exit 3 if none works.

Options:
  -h, --help  Show this message and exit.
"""

DEVICES_ADD = """\
Usage: edgebench devices add [OPTIONS] NAME

  Ask the device at an address, and keep its profile as NAME.

  What the profile says of its processor and memory is what the device
  answers; it is written into your own devices folder.

Options:
  --address USER@HOST   Where ssh finds it; a name from your ssh_config will
                        do. By adb: its serial.  [required]
  --port INTEGER RANGE  Default: what ssh_config says, or 22.  [1<=x<=65535]
  --python TEXT         The interpreter there that has edgebench, e.g.
                        venv/bin/python.  [default: python3]
  --ssh-config FILE     A file to read in place of your own ssh_config.
  --like NAME           Take threads, limits, cool-down and budgets from this
                        profile.
  --reach TEXT          How it is reached.  [default: ssh]
  --prepare             First put edgebench there, as `edgebench devices
                        prepare` does.
  -h, --help            Show this message and exit.
"""

DEVICES_PREPARE = """\
Usage: edgebench devices prepare [OPTIONS] NAME

  Put edgebench and its engines on the device of profile NAME.

  By ssh the device needs Python 3.11 or later; a phone by adb is brought one.
  It needs no network: wheels are found here for its platform, copied once,
  and unpacked below one folder of edgebench's there.

Options:
  --engine NAME  Default: those that the profile expects.
  -h, --help     Show this message and exit.
"""

DEVICES_CLEAN = """\
Usage: edgebench devices clean [OPTIONS] NAME

  Remove all that edgebench has on the device of profile NAME.

  What `prepare` put there, and the models that were copied for sweeps.

Options:
  -h, --help  Show this message and exit.
"""

SERVE = """\
Usage: edgebench serve [OPTIONS] [MODEL]...

  Measure MODELs on a phone that opens a page, with nothing to install there.

  It prints an address and a code to scan. The page runs the models in the
  phone's browser, and the records come here. Each code opens one page.

Options:
  --port INTEGER RANGE      0: any that is free.  [default: 8765; 0<=x<=65535]
  --host TEXT               Where to listen; 0.0.0.0: the local network too.
                            [default: 127.0.0.1]
  --tls                     https, by a certificate made now: without it a
                            phone in the network has no threads and no GPU.
  --once                    End after one page.
  -b, --backend A,B         onnxruntime-web, litert-web. Default: both.
  -p, --precision A,B       Precisions to offer. Default: all the model has.
  -t, --threads 1,2         Threads to offer. Default: 1, and as many as the
                            phone has, up to 4.
  -l, --length 32,128       Cut or join real inputs to so many tokens.
                            Default: as they are.
  -s, --scenario A,B        single-stream, sustained, first-answer.
  --minutes FLOAT RANGE     How long each process times; sustained: 10.  [x>0]
  --profile NAME            The profile of the phone.  [default: browser]
  --quick                   Three processes a cell, each 0.3 s of timing; 256
                            examples.
  --full                    Five processes a cell or more, each 60 s and 1024
                            calls; every example.
  --examples INTEGER RANGE  Labelled examples to judge accuracy by.  [x>=1]
  --data DIRECTORY          Look for labelled data in this folder first.
  -o, --output FILE         Append the records here. Default: results/<UTC
                            time>.jsonl.
  --resume                  Measure only what the file of -o does not hold yet
                            of that phone.
  --seed INTEGER            Draws inputs, examples and the order of cells.
                            [default: 0]
  --strict                  Exit 4 if a cell is noisy or invalid.
  --timeout FLOAT RANGE     Seconds for each pass of a cell. Default: 300,
                            with --full 1800.  [x>0]
  -h, --help                Show this message and exit.

  Exit status:
    0    every cell was measured, or says why it cannot be
    1    a cell failed; the others stand
    2    wrong usage
    3    nothing could be measured there
    4    with --strict: a cell is noisy or invalid
    130  interrupted; the records so far are in the file
"""


def shown(*arguments: str) -> str:
    """As a terminal of 80 columns shows it, of which click leaves two free."""
    return CliRunner().invoke(group, arguments, prog_name="edgebench", terminal_width=78).output


def every_command(command: click.Command = group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Each command and each command within one, with the words that call it."""
    yield path, command
    if isinstance(command, click.Group):
        for name in command.list_commands(context := click.Context(command)):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from every_command(inner, (*path, name))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--help"], EDGEBENCH), (["-h"], EDGEBENCH), ([], EDGEBENCH), (["bench", "--help"], BENCH), (["report", "--help"], REPORT),
        (["study", "--help"], STUDY), (["devices", "--help"], DEVICES), (["devices", "check", "--help"], DEVICES_CHECK),
        (["devices", "add", "--help"], DEVICES_ADD),
        (["devices", "prepare", "--help"], DEVICES_PREPARE), (["devices", "clean", "--help"], DEVICES_CLEAN), (["serve", "--help"], SERVE),
    ],
)
def test_the_whole_help(arguments: list[str], text: str) -> None:
    assert shown(*arguments) == text


def test_the_commands_are_sorted_and_each_is_what_its_module_says() -> None:
    assert list(COMMANDS) == sorted(COMMANDS)
    for name in COMMANDS:
        assert shown(name, "-h").startswith(f"Usage: edgebench {name} ")


@pytest.mark.parametrize(("path", "command"), list(every_command()), ids=lambda one: " ".join(one) if isinstance(one, tuple) else "")
def test_every_command_and_option_is_explained_in_whole_sentences(path: tuple[str, ...], command: click.Command) -> None:
    assert command.help
    assert all(one.help for one in command.params if isinstance(one, click.Option))
    lines = shown(*path, "--help").splitlines()
    assert max(map(len, lines)) <= 78
    assert not [line for line in lines if line.startswith("  ") and line.endswith("...")], "a line of the list of commands is cut"


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["--version"]) == 0
    assert capsys.readouterr().out == f"edgebench {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["bnech"],
            "error: there is no command 'bnech'; there are bench, compare, compress, convert, devices, doctor, export, models, operators, predict, recommend, "
            "report, roofline, serve, study, train, tune. Did you mean 'bench'?",
        ),
        (["bench", "--quik"], "--quick"),  # click's own words, which change from version to version
        (["predict"], "MODEL"),
    ],
)
def test_a_wrong_command_line_gets_its_usage_and_one_sentence(capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    assert status(arguments) == 2
    out, err = capsys.readouterr()
    usage, error = err.strip().splitlines()
    assert out == ""
    assert usage.startswith("Usage: edgebench")
    assert error.startswith("error: ")
    assert said in error


def test_an_error_is_one_line_without_commands_for_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["predict", "a\x1b[31m\nb.toml", "good"]) == 2
    assert capsys.readouterr().err.startswith("error: a [31m b.toml does not exist; give a TOML file")
