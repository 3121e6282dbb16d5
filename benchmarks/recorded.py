"""Samples of a real machine: 20 small pieces of work in fresh Python processes, the same program in both arms.

    python benchmarks/recorded.py [--suites 10] [--output benchmarks/results/recorded.json.gz]

Twelve pairs a suite, A B B A ..., each process a draw of hash seed, memory layout and whatever else the machine does.
Nothing differs between the arms, so that every alarm is a false one; slowdowns are planted by arithmetic.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import copy
import gzip
import hashlib
import heapq
import json
import platform
import random
import re
import struct
import subprocess
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

PAIRS, SAMPLES, WARM_UP = 12, 20, 3
RECORDED = Path(__file__).parent / "results" / "recorded.json.gz"


def workloads() -> dict[str, Callable[[], Any]]:
    """Twenty pieces of work of one to a few milliseconds, with the same input in every process."""
    source = random.Random(1)
    numbers = [source.random() for _ in range(6000)]
    blob = bytes(source.randrange(256) for _ in range(60_000))
    words = [f"word{source.randrange(5000)}" for _ in range(8000)]
    text = " ".join(words)
    tree = {f"key{at}": {"values": numbers[at : at + 8], "name": words[at]} for at in range(300)}
    dumped = json.dumps(tree)
    return {
        "sort": lambda: [sorted(numbers) for _ in range(2)],
        "sha256": lambda: [hashlib.sha256(blob).digest() for _ in range(20)],
        "blake2": lambda: [hashlib.blake2b(blob).digest() for _ in range(20)],
        "compress": lambda: zlib.compress(blob, 1),
        "crc": lambda: [binascii.crc32(blob) for _ in range(60)],
        "dumps": lambda: json.dumps(tree),
        "loads": lambda: [json.loads(dumped) for _ in range(2)],
        "search": lambda: re.findall(r"word\d*7\b", text),
        "split": lambda: [text.split() for _ in range(6)],
        "join": lambda: [" ".join(words) for _ in range(15)],
        "count": lambda: Counter(words),
        "dict": lambda: [dict.fromkeys(words) for _ in range(4)],
        "set": lambda: [set(words) & set(words[::2]) for _ in range(3)],
        "deepcopy": lambda: [copy.deepcopy(tree["key2"]) for _ in range(300)],
        "heap": lambda: heapq.nsmallest(500, numbers),
        "sum": lambda: sum(value * value for value in numbers * 3),
        "power": lambda: [pow(3, 10**60 + at, 10**61 + 7) for at in range(60)],
        "pack": lambda: [struct.pack("6000d", *numbers) for _ in range(10)],
        "base64": lambda: [base64.b64encode(blob) for _ in range(20)],
        "copy": lambda: [bytearray(blob * 8) for _ in range(10)],
    }


def samples(work: Callable[[], Any]) -> list[float]:
    """Milliseconds of each call, after some that warm up."""
    for _ in range(WARM_UP):
        work()
    times = []
    for _ in range(SAMPLES):
        before = time.perf_counter()
        work()
        times.append(float(f"{1e3 * (time.perf_counter() - before):.5g}"))
    return times


def process() -> list[list[float]]:
    """One fresh process: (metrics, samples)."""
    done = subprocess.run([sys.executable, __file__, "--one"], capture_output=True, text=True, check=True)
    return [list(map(float, each)) for each in json.loads(done.stdout)]


def record(suites: int) -> list[dict[str, Any]]:
    """So many comparisons of a program with itself: times as (pairs, metrics, samples)."""
    recorded = []
    for suite in range(suites):
        arms: dict[str, list[Any]] = {"base": [], "head": []}
        for pair in range(PAIRS):
            for arm in ("base", "head") if pair % 2 == 0 else ("head", "base"):
                arms[arm].append(process())
        recorded.append(arms)
        print(f"suite {suite + 1} of {suites}", file=sys.stderr)
    return recorded


def load(path: Path = RECORDED) -> list[tuple[Any, Any]]:
    """Of each suite the times of base and head: (metrics, pairs, samples)."""
    suites = json.loads(gzip.decompress(path.read_bytes()))["suites"]
    return [tuple(np.array(suite[arm]).transpose(1, 0, 2) for arm in ("base", "head")) for suite in suites]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suites", type=int, default=10)
    parser.add_argument("--output", type=Path, default=RECORDED)
    parser.add_argument("--one", action="store_true", help="be one of the processes")
    options = parser.parse_args()
    if options.one:
        print(json.dumps([samples(work) for work in workloads().values()]))
        return
    about = {"machine": platform.machine(), "python": platform.python_version(), "metrics": list(workloads())}
    text = json.dumps({"about": about, "suites": record(options.suites)}, separators=(",", ":"))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    main()
