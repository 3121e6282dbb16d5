"""Real comparisons of real images, and how often the answer is right.

    python benchmarks/live.py SAME_A SAME_B SLOWER [--rounds 20] [--engine podman] [--output FILE]

SAME_A and SAME_B are two tags of one image: whatever is said to have changed between them is a false alarm. SLOWER is
the same image made slower by an honest cause (fewer threads in its environment): it must be red, or `inconclusive`
with the pairs that it would take; never `unchanged`. `--selftest-slowdown` of 10 % must not be overlooked either.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

CHECK = "matmul.throughput"


def main() -> None:
    options = arguments()
    started = time.time()
    same = [comparison(options, options.same_b, options.same_a) for _ in range(options.rounds)]
    slower = [comparison(options, options.slower, options.same_a) for _ in range(options.rounds // 4 or 1)]
    selftest = ("--selftest-slowdown", "10%")
    slowed = [comparison(options, options.same_b, options.same_a, *selftest) for _ in range(options.rounds // 4 or 1)]
    document = {
        "machine": {"cpu": cpu(), "python": platform.python_version()},
        "seconds": round(time.time() - started),
        "one image against itself": summary(same),
        "a slower image": summary(slower),
        "slowed on purpose by 10 %": summary(slowed),
    }
    Path(options.output).write_text(json.dumps(document, indent=1) + "\n")
    for name in list(document)[2:]:
        print(name, document[name]["verdicts"])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for name in ("same_a", "same_b", "slower"):
        parser.add_argument(name)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--engine", default="podman")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--output", default="benchmarks/results/live.json")
    return parser.parse_args()


def comparison(options: argparse.Namespace, head: str, base: str, *more: str) -> dict[str, Any]:
    """One `ci-gpu run HEAD --baseline BASE`: its exit code, and what was said of the gated metrics."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "run.json")
        argv = [sys.executable, "-m", "ci_gpu", "run", head, "--baseline", base, "--engine", options.engine]
        argv += ["--pull", "never", "--device", options.device, "--checks", CHECK, "--json", str(path), *more]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if not path.exists():
            sys.exit(done.stderr)
        trial = json.loads(path.read_text())["trial"]
    metrics = [shown(metric) for metric in trial["metrics"] if metric["gated"]]
    print(head, done.returncode, trial["refused"], [metric["verdict"] for metric in metrics], flush=True)
    return {
        "exit": done.returncode,
        "refused": trial["refused"],
        "metrics": metrics,
        "control": shown(trial["control"]) if trial["control"] else None,
    }


def shown(metric: dict[str, Any]) -> dict[str, Any]:
    keys = ("metric", "pairs", "base", "head", "change", "low", "high", "p", "verdict", "reason", "pairs_needed")
    return {key: metric[key] for key in keys}


def summary(found: list[dict[str, Any]]) -> dict[str, Any]:
    words = Counter(metric["verdict"] for one in found for metric in one["metrics"])
    return {
        "comparisons": len(found),
        "verdicts": dict(words),
        "exits": dict(Counter(one["exit"] for one in found)),
        "runs": found,
    }


def cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(models)} × {models[0]}" if models else platform.machine()


if __name__ == "__main__":
    main()
