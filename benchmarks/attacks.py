"""The memory and the time that ci-gpu takes where an image, or a file, says as much as it can.

    python benchmarks/attacks.py [--output benchmarks/results/attacks.json] [NAME]...

Each attack is an image that speaks the wire (`tests/hostile_image.py`), run by the true command, or a file that is
read. What is measured is the ci-gpu process alone. Exit code: 0 if each kept to `MEBIBYTES` and `SECONDS` and ended
with a documented exit code, and if the file that an image made can be read.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests import hostile_image  # noqa: E402

MEBIBYTES, SECONDS = 300, 120
"""Bounds of one command; the seconds are of the processor."""

LOG = "sys.stderr.write"
IMAGES = {
    "100,000 metrics in a check": "hello()\nresult(checks[0], metrics=metrics(100000))\n",
    "100,000 facts in a check": "hello()\nresult(checks[0], facts=[FACT] * 100000)\n",
    "a million samples in a check": (
        "hello()\nresult(checks[0], metrics=[{**metrics(1)[0], 'samples': [1.5] * 1000000}])\n"
    ),
    "100,000 GPUs": "hello(gpus=[{'index': n, 'name': 'GPU %d' % n} for n in range(100000)])\n",
    "15,000 GPUs, which is within one event": (
        "hello(gpus=[{'index': n, 'name': 'GPU %d' % n} for n in range(15000)])\nfor check in checks: result(check)\n"
        "bye()\n"
    ),
    "100,000 packages": "hello(packages={'p%d' % n: '1' for n in range(100000)})\n",
    "140,000 packages, which is within one event": "hello(packages={'%x' % n: '1' for n in range(140000)})\n",
    "metrics within their limits in every check": (
        "hello()\nfor check in checks: result(check, metrics=metrics(200, check))\nbye()\n"
    ),
    "legal texts of 190,000 characters in every check": (
        "hello()\nfor check in checks: result(check, facts=[{'name': 'n', 'value': 'x' * 190000}] * 5)\nbye()\n"
    ),
    "texts that take twelve bytes a character": (
        "hello()\nfor check in checks: result(check, message='\\U0001f525' * 15000, log='\\x01' * 60000)\nbye()\n"
    ),
    "a line of 256 MiB": "hello()\nfor _ in range(256): out.write(b'x' * (1 << 20))\n",
    "an event of 64 MiB": "hello()\nout.write(('\\n' + nonce).encode() + b'[' + b'0,' * (32 << 20))\n",
    "two million small lists in an event": "hello()\nout.write(('\\n' + nonce).encode() + b'[],' * 650000 + b'\\n')\n",
    "an event nested a million deep": "hello()\nout.write(('\\n' + nonce).encode() + b'[' * 1000000 + b'\\n')\n",
    "a gigabyte of log": f"hello()\nfor _ in range(1000): {LOG}('\\U0001f525 and on\\n' * 60000)\n",
    "the same event for ever": ("hello()\nwhile True: event('unusable', reason='no-torch', message='x' * 150000)\n"),
    "a pass of every check and nothing measured": "hello()\nfor check in checks: result(check, facts=[])\nbye()\n",
}
OBJECTS = b'{"schema": 1, "images": [' + b",".join([b'{"seconds": 0}'] * 4_400_000) + b"]}"
FILES = {
    "a file of 4,400,000 small objects": OBJECTS,
    "a file without an end": Path("/dev/zero"),
    "a file nested ten million deep": b"[" * 10_000_000,
    "a file of ten million quotes": b'{"schema": 1, "version": "' + b'\\"' * 10_000_000 + b'"}',
}

MEASURED = """
import sys, time
from ci_gpu.cli import main
try:
    main()
finally:  # ru_maxrss would begin with that of whoever started this process
    peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]
    print("\\nMEASURED", int(peak) // 1024, time.process_time(), file=sys.stderr)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    rows = []
    for name in options.names or (*IMAGES, *FILES):
        rows.append(_attacked(name))
        print(rows[-1], flush=True)
    found = {"bounds": {"mib": MEBIBYTES, "seconds": SECONDS}, "environment": _environment(), "attacks": rows}
    if options.output:
        options.output.write_text(json.dumps(found, indent=1) + "\n")
    sys.exit(not all(map(_holds, rows)))


def _holds(row: dict[str, Any]) -> bool:
    commands = row["commands"].values()
    bounded = all(one["mib"] <= MEBIBYTES and one["seconds"] <= SECONDS for one in commands)
    codes = [one["exit_code"] for one in commands]
    return bounded and codes[0] in (0, 1, 2, 4) and all(code == 0 for code in codes[1:])


def _attacked(name: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        commands = _of_image(Path(folder), IMAGES[name]) if name in IMAGES else _of_file(Path(folder), FILES[name])
        return {"attack": name, "commands": commands}


def _of_image(folder: Path, body: str) -> dict[str, Any]:
    """The run, and then what is made of its file: an image must not keep its own comment from being made."""
    image, report = hostile_image.told(folder, body), folder / "reports" / "run.json"
    run = ("run", str(image), "--engine", "local", "--device", "cpu", "--report-dir", str(report.parent))
    found = {"run": measured(*run), "report": measured("report", str(report), "--format", "markdown")}
    found["run"]["run_json_bytes"] = report.stat().st_size if report.exists() else None
    return found


def _of_file(folder: Path, content: bytes | Path) -> dict[str, Any]:
    path = folder / "run.json"
    if isinstance(content, bytes):
        path.write_bytes(content)
    return {"report": measured("report", str(path if isinstance(content, bytes) else content), "--format", "markdown")}


def measured(*arguments: str) -> dict[str, Any]:
    """Peak memory and processor time of one command of ours, and its exit code."""
    argv = (sys.executable, "-c", MEASURED, *arguments)
    with tempfile.TemporaryFile() as told:
        done = subprocess.run(argv, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=told, timeout=1200, check=False)
        told.seek(0)
        mib, seconds = told.read().decode("utf-8", "replace").rpartition("MEASURED")[2].split()
    return {"mib": int(mib), "seconds": round(float(seconds), 2), "exit_code": done.returncode}


def _environment() -> dict[str, str]:
    return {"python": platform.python_version(), "machine": platform.machine(), "system": platform.release()}


if __name__ == "__main__":
    main()
