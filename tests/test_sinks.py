"""Whatever leaves the program passes `console` or an escape of its format, or has its reason here."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

import ci_gpu
from tests.sinks import of_source, sinks

ROOT = Path(ci_gpu.__file__).parent

ALLOWED = {
    ("console.py", "say"): "the one way: every text passes `harmless`",
    ("console.py", "command"): "the one line that the runner is to obey; `actions.command` escapes what is in it",
    ("console.py", "document"): "passes `harmless` but where stdout is a file, which gets what was rendered",
    ("console.py", "table"): "drawn into memory, then a `document`",
    ("console.py", "_write"): "the only call of print; all others of this module come to it",
    ("cli/__init__.py", "_show_usage"): "click's words, into memory, then said",
    ("cli/__init__.py", "main"): "`show` below, which says",
    ("cli/interruption.py", "_tell"): "a text of ours, from inside a signal's handler",
    ("cli/streams.py", "Output.write"): "below stdout and stderr: what comes here has passed one of these",
    ("cli/streams.py", "open_all"): "makes stdout and stderr",
    ("cli/streams.py", "require_heard"): "only flushes",
    ("cli/mistakes.py", "show_all"): "`show`, which says",
    ("cli/calibrating.py", "calibrate"): "`pipeline.write`: reports, each escaped by its format",
    ("cli/reading.py", "_show"): "`pipeline.write`: reports, each escaped by its format",
    ("cli/telling.py", "keep"): "`pipeline.write`: reports, each escaped by its format",
    ("cli/telling.py", "_renew"): "`pipeline.write`: reports, each escaped by its format",
    ("cli/telling.py", "alone"): "`mistakes.show`, which says",
    ("cli/running.py", "_watch"): "asks whether stderr is a terminal, and makes the `Live` below for one",
    ("cli/history.py", "export"): "`write` of a format makes text",
    ("cli/history.py", "site"): "`site.write`: pages, escaped by their templates",
    ("cli/history.py", "_write"): "`files.write`: a file that the user names, in the format of another tool",
    ("files.py", "write"): "the one way into files; what goes there was rendered",
    ("files.py", "_write"): "likewise",
    ("github/actions.py", "_append"): "outputs, each printable and between delimiters",
    ("github/actions.py", "_put"): "the step summary: markdown, escaped by its format",
    ("github/comment.py", "_body"): "text of a comment: markdown, escaped by its format",
    ("history/ndjson.py", "pack"): "compressed JSON of a record",
    ("pipeline.py", "_write"): "`files.write`: a report, escaped by its format",
    ("process.py", "_answered"): "stdin of a process of ours: a key or a password",
    ("process.py", "Conversation._write"): "stdin of a process of ours: the payload",
    ("progress.py", "Live.__init__"): "a terminal, never a job's log; rich draws what turns",
    ("progress.py", "Live._keep"): "its only print; every foreign word passes `_plain` (test_progress.py)",
    ("pull.py", "_private_configuration"): "the login for an engine, as JSON, and a copy of its configuration",
    ("site/__init__.py", "write"): "pages, escaped by their templates",
    ("payload/isolation.py", "in_child"): "inside the image, whose output is foreign text outside",
    ("payload/isolation.py", "_Pipe._pass_on"): "inside the image, whose output is foreign text outside",
    ("payload/isolation.py", "_be_the_child"): "inside the image, whose output is foreign text outside",
    ("payload/perform.py", "_broken"): "inside the image, whose output is foreign text outside",
    ("payload/supervisor.py", "Channel.__init__"): "inside the image: the events, which `transcript` reads",
    ("payload/supervisor.py", "Channel.send"): "inside the image: the events, which `transcript` reads",
    ("payload/watcher.py", "Watcher.stop"): "a pipe between two processes of ours inside the image",
    ("payload/watcher.py", "_be_the_watcher"): "a pipe between two processes of ours inside the image",
}
"""File and function of each sink, and why what goes there acts on nobody."""


@pytest.mark.attack
def test_nothing_leaves_the_program_by_another_way() -> None:
    """A new line of ours prints a stranger's word by itself, and the runner obeys it. Every sink in the source is found
    by reading it, and is `console`, an escape of its format, or on a list with its reason.
    """
    found = defaultdict(list)
    for sink in sinks(ROOT):
        found[sink.file, sink.function].append(sink.what)

    assert {place: what for place, what in found.items() if place not in ALLOWED} == {}
    assert ALLOWED.keys() - found.keys() == set(), "it is on the list and no sink any more"


@pytest.mark.parametrize(
    "planted",
    [
        "print(x)",
        "sys.stdout.write(x)",
        "say = sys.stderr",
        "sys.__stderr__.write(x)",
        "from sys import stderr",
        "click.echo(x)",
        "click.secho(x)",
        "from click import echo",
        "raise SystemExit(click.style(x))",
        "import logging",
        "from logging import getLogger",
        "warnings.warn(x)",
        "traceback.print_exc()",
        "console.print(x)",
        "Console(stderr=True)",
        "os.write(2, x)",
        "open(path, 'w')",
        "path.open('ab')",
        "open(path, mode='r+')",
        "os.open(path, os.O_WRONLY | os.O_CREAT)",
        "os.fdopen(descriptor, 'w')",
        "Path(path).write_text(x)",
        "path.write_bytes(x)",
        "json.dump(x, file)",
        "shutil.copyfile(a, b)",
        "error.show()",
        "pprint.pprint(x)",
    ],
)
def test_a_planted_sink_is_found(planted: str) -> None:
    (found, *_) = of_source(f"class A:\n    def f(self):\n        {planted}\n", "a.py")

    assert (found.file, found.function) == ("a.py", "A.f")


def test_what_only_reads_is_no_sink() -> None:
    assert not [*of_source("open(path)\nopen(path, 'rb').read()\nanswer.stdout.strip()\njson.dumps(x)\n", "a.py")]
