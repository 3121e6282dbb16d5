"""What ci-gpu costs on top of the work itself: two ratios, each measured side by side in one run.

    python benchmarks/overhead.py IMAGE [--engine podman] [--rounds 5] [--output benchmarks/results/overhead.json]

run   wall time of `ci-gpu run IMAGE --device cpu` against the same checks called one after the other by one Python in
      one bare `podman run`, with neither isolation, hardening nor report. Target: at most 1.15.
help  wall time of `ci-gpu --help` against the smallest program that click can make. Target: at most 2.

Both sides alternate (A B B A …), so that a drift of the machine meets both alike; the ratio is that of the medians,
the interval that of the ratios of the rounds. The image must be here already: a pull is not measured.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ci_gpu import catalogue, plan

BARE = """
import importlib, os, sys, tempfile
size = int(sys.argv[1])
path = os.path.join(tempfile.mkdtemp(), "payload.zip")
with open(path, "wb") as file:
    file.write(sys.stdin.buffer.read(size))
sys.path.insert(0, path)
import torch
from ci_gpu.payload.wire import Skip
for check in sys.argv[2:]:
    family, _, name = check.partition(".")
    torch.manual_seed(0)
    try:
        list(getattr(importlib.import_module("ci_gpu.payload.checks." + family), "check_" + name)("cpu") or ())
    except Skip:
        pass
"""

HELLO = "import click\n@click.command()\ndef hello():\n    '''Say it.'''\nhello()\n"


def main() -> None:
    arguments = _arguments()
    checks = tuple(check.id for check in catalogue.builtin())
    archive = plan.archive({})
    with tempfile.TemporaryDirectory() as folder:
        ours = (*_ci_gpu(), "run", arguments.image, "--engine", arguments.engine, "--device", "cpu", "--pull", "never")
        ours += ("--json", f"{folder}/run.json")
        bare = (arguments.engine, "run", "--rm", "-i", "--network", "none", arguments.image, "python3", "-c", BARE)
        bare += (str(len(archive)), *checks)
        run = _compare(lambda: _seconds(ours), lambda: _seconds(bare, archive), arguments.rounds)
    hello = (sys.executable, "-I", "-c", HELLO, "--help")
    helps = _compare(lambda: _seconds((*_ci_gpu(), "--help")), lambda: _seconds(hello), max(10, arguments.rounds))
    result = {
        "machine": f"{platform.machine()}, Python {platform.python_version()}, {arguments.engine}",
        "checks": len(checks),
        "run": {**run, "target": 1.15},
        "help": {**helps, "target": 2.0},
    }
    print(json.dumps(result, indent=2))
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=2) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image")
    parser.add_argument("--engine", default="podman")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path)
    return parser.parse_args()


def _ci_gpu() -> tuple[str, ...]:
    return (sys.executable, "-I", "-m", "ci_gpu")


def _compare(first, second, rounds: int) -> dict[str, object]:  # type: ignore[no-untyped-def]
    """Seconds of both, alternating A B B A, after one warm-up each."""
    first(), second()
    pairs = []
    for number in range(rounds):
        if number % 2:
            other = second()
            pairs.append((first(), other))
        else:
            mine = first()
            pairs.append((mine, second()))
    ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratios = sorted(mine / other for mine, other in pairs)
    return {
        "ours_s": round(ours, 3),
        "bare_s": round(theirs, 3),
        "ratio": round(ours / theirs, 3),
        "ratio_range": [round(ratios[0], 3), round(ratios[-1], 3)],
        "samples_s": [[round(mine, 3), round(other, 3)] for mine, other in pairs],
    }


def _seconds(argv: tuple[str, ...], stdin: bytes = b"") -> float:
    started = time.perf_counter()
    done = subprocess.run(argv, input=stdin, capture_output=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode != 0:
        sys.exit(f"{' '.join(argv[:6])} … ended with {done.returncode}:\n{done.stdout.decode()}{done.stderr.decode()}")
    return seconds


if __name__ == "__main__":
    main()
