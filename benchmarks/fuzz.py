"""Gives one reader of foreign data inputs that nobody thought of, and says which were a crash.

    python benchmarks/fuzz.py TARGET [--minutes 10] [--seed 0] [--output benchmarks/results/fuzz/TARGET.json]

TARGET is a module of `tests/fuzz`. Hypothesis makes the inputs, and makes each that crashes as small as it can. A crash
is any exception but a documented error, and whatever takes longer than `SLOWEST` seconds of the processor. Each crash
is told once, by its exception and the line that raised it; to keep it from coming back, paste its input into the
target's ``KEPT``. Exit code: 0 none, 1 some.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests import fuzz

ROOT = Path(__file__).resolve().parents[1]
SLOWEST = 20.0
ROUND = 2_000
"""Inputs from one seed; then the next seed begins anew."""


class TooSlow(Exception):
    """An input that took too much of the processor's time."""


def main() -> None:
    options = _options()
    found = {
        "target": options.target,
        "minutes": options.minutes,
        "environment": _environment(),
        **fuzzed(fuzz.load(options.target), seconds=options.minutes * 60, seed=options.seed),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    _tell(found)
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(found, indent=1) + "\n")
    sys.exit(bool(found["crashes"]))


def fuzzed(target: fuzz.Target, *, seconds: float, seed: int, rounds: int = 1 << 30) -> dict[str, Any]:
    """How many inputs were tried until then, and the crashes."""
    attempts = _Attempts(target, time.monotonic() + seconds)
    first = seed
    while attempts.goes_on() and seed - first < rounds:
        _round(target, attempts, seed)
        seed += 1
    return {"inputs": attempts.count, "seeds": [first, seed - 1], "crashes": list(attempts.crashes.values())}


class _Attempts:
    """Tries inputs until the time is up; raises only what was not seen before."""

    def __init__(self, target: fuzz.Target, end: float) -> None:
        self._target, self._end = target, end
        self.count, self.crashes = 0, dict[str, dict[str, Any]]()
        self.failing = ""  # the crash of this round, which hypothesis is making smaller

    def goes_on(self) -> bool:
        return time.monotonic() < self._end

    def attempt(self, value: Any, seed: int) -> None:
        if not self.failing and not self.goes_on():
            return
        self.count += 1
        try:
            self._timed(value)
        except self._target.DOCUMENTED:
            return
        except Exception as error:
            where = _place(error)
            if where in self.crashes and where != self.failing:
                return
            if self.failing and where != self.failing:
                return  # one at a time
            self.failing = where
            said = f"{type(error).__name__}: {error}"[:500]
            self.crashes[where] = {"error": said, "at": where, "input": repr(value)[:4_000], "seed": seed}
            raise

    def _timed(self, value: Any) -> None:
        started = time.process_time()
        self._target.attempt(value)
        taken = time.process_time() - started
        if taken > SLOWEST:
            raise TooSlow(f"{taken:.1f} s")


def _round(target: fuzz.Target, attempts: _Attempts, seed: int) -> None:
    @hypothesis.seed(seed)
    @settings(
        max_examples=ROUND,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.target, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(target.INPUTS)
    def inputs(value: Any) -> None:
        attempts.attempt(value, seed)

    attempts.failing = ""
    try:
        inputs()
    except Exception:
        if not attempts.failing:
            raise  # the strategy itself is wrong


def _place(error: BaseException) -> str:
    """The exception, and the innermost line of ours that it came through: two inputs with the same are one crash."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(ROOT)]
    within = [frame for frame in ours if "/ci_gpu/" in frame.filename] or ours
    return f"{type(error).__name__} in {Path(within[-1].filename).relative_to(ROOT)}:{within[-1].lineno}"


def _environment() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "machine": platform.machine(),
        "hypothesis": hypothesis.__version__,
    }


def _tell(found: dict[str, Any]) -> None:
    for crash in found["crashes"]:
        print(f"crash: {crash['error']}\n   at: {crash['at']}\ninput: {crash['input']}\n seed: {crash['seed']}\n")
    print(f"{found['target']}: {found['inputs']} inputs tried, {len(found['crashes'])} crashes")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("target", choices=fuzz.names())
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
