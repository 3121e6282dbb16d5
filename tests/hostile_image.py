"""An image that says what it likes: an interpreter for ``--engine local``, which speaks the wire and runs no payload.

``told(...)`` makes one. Its body is Python: ``event(name, **fields)`` sends an event, ``checks`` are the ids that it
was asked for, ``result(check, **fields)`` sends a check that passed, and ``out`` is its raw stdout.
"""

from __future__ import annotations

import sys
from pathlib import Path

PREAMBLE = """#!{python} -S
import json, sys
nonce, out = sys.argv[-1], sys.stdout.buffer
size, rest = map(int, sys.stdin.buffer.readline().split())
sys.stdin.buffer.read(size)
checks = [check["id"] for check in json.loads(sys.stdin.buffer.read(rest))["checks"]]
FACT = {{"name": "n", "value": 1}}


def event(name, **fields):
    out.write(("\\n" + nonce + json.dumps({{"event": name, **fields}}, ensure_ascii=False) + "\\n").encode())
    out.flush()


def hello(**environment):
    event("hello", protocol=2, python="3.11.7", executable="python")
    event("environment", **{{"python": "3.11.7", "machine": "x86_64", "torch": "2.9.0", **environment}})


def result(check, **fields):
    event("started", check=check)
    event("finished", result={{"check": check, "outcome": "passed", "facts": [FACT], **fields}})


def metrics(number, name="m"):
    return [
        {{"name": "%s%d" % (name, each), "unit": "s", "better": "lower", "samples": [1.0]}} for each in range(number)
    ]


def bye():
    event("bye", checks=len(checks))


"""


def told(folder: Path, body: str) -> Path:
    """The interpreter that does this."""
    path = folder / "python-of-the-image"
    path.write_text(PREAMBLE.format(python=sys.executable) + body)
    path.chmod(0o755)
    return path
