"""The runner's side of GitHub Actions: commands, outputs, step summary, annotations. Outside of it, all is silent."""

from __future__ import annotations

import contextlib
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from ci_gpu import console
from ci_gpu.errors import RunnerError
from ci_gpu.model import (
    IMPROVED,
    INCONCLUSIVE,
    MISSING,
    REGRESSED,
    UNCHANGED,
    ImageReport,
    Reason,
    RunReport,
    Summary,
    Trial,
)
from ci_gpu.payload.wire import Environment
from ci_gpu.reports import _words, harmless, markdown, printable

MAX_ANNOTATIONS = 8
"""The runner keeps ten of a kind per step; the last one of ours says how many more there are."""

MAX_MESSAGE = 4000
SUMMARY_BUDGET = 900_000  # bytes; beyond 1 MiB the runner drops the whole summary
MAX_OUTPUT = 500


def active(env: Mapping[str, str]) -> bool:
    """Whether this runs in a workflow."""
    return env.get("GITHUB_ACTIONS") == "true"


def command(name: str, message: str, *, title: str = "") -> str:
    """A workflow command of words that may be foreign, escaped as the runner unescapes it."""
    properties = f" title={_property(printable(title))}" if title else ""
    return f"::{name}{properties}::{_data(harmless(message)[:MAX_MESSAGE])}"


@contextlib.contextmanager
def untrusted_output() -> Iterator[None]:
    """While the block lasts, nothing that is printed commands the runner; the word that ends it cannot be guessed."""
    token = uuid.uuid4().hex
    console.command(f"::stop-commands::{token}")
    try:
        yield
    finally:
        console.command(f"\n::{token}::")  # what came before may have left its line open


class Told(NamedTuple):
    """What could not be told, and at which byte of the step summary ours begins."""

    faults: tuple[RunnerError, ...] = ()
    at: int = 0


def tell(summary: Summary, env: Mapping[str, str], extra: Mapping[str, str]) -> Told:
    """Outputs, step summary and annotations of the step; what cannot be written loses none of the others."""
    if not active(env):
        return Told()
    faults = add_outputs(env, {**outputs(summary), **extra})
    at = summarise(summary, env)
    for line in error_commands(summary):
        console.command(line)
    return Told(faults, at)


def add_outputs(env: Mapping[str, str], values: Mapping[str, str]) -> tuple[RunnerError, ...]:
    """Of an output that is given twice the runner takes the last."""
    try:
        _write_outputs(env, values)
    except OSError as error:
        return (
            RunnerError(
                f"the outputs of this step cannot be written: {error.strerror}",
                why="the disk of the runner is full, or its file for them is gone or not ours",
                remedy="see df -h on the runner, and who owns the folder of GITHUB_OUTPUT",
                kind="no-outputs",
            ),
        )
    return ()


def summarise(summary: Summary, env: Mapping[str, str], at: int = -1) -> int:
    """Put the step summary behind what is there, or in the place of what begins ``at``; where it begins.

    A summary that cannot be written is a warning: it decides nothing.
    """
    try:
        return _put(env.get("GITHUB_STEP_SUMMARY", ""), markdown.render(summary, SUMMARY_BUDGET) + "\n", at)
    except OSError as error:
        said = f"the step summary cannot be written: {error.strerror}"
        console.command(command("warning", said, title="ci-gpu"))
        return at


def outputs(summary: Summary) -> dict[str, str]:
    """The outputs of the action that come from the summary: one printable line each."""
    counts = Counter(result.outcome for image in summary.report.images for result in image.results)
    image = summary.report.images[0] if summary.report.images else None
    reasons = summary.verdict.reasons
    values = {
        "conclusion": summary.verdict.conclusion,
        "exit-code": str(summary.verdict.exit_code),
        "failure-class": _first_kind(reasons, summary.verdict.exit_code),
        "passed": str(counts["passed"]),
        "failed": str(counts["failed"]),
        "errors": str(counts["error"]),
        "skipped": str(counts["skipped"]),
        "engine": summary.report.engine,
        **_image_outputs(image),
        **_trial_outputs(summary.report.trial),
    }
    return {name: printable(value)[:MAX_OUTPUT] for name, value in values.items()}


def error_commands(summary: Summary) -> tuple[str, ...]:
    """One error a reason, within what the runner keeps."""
    reasons = summary.verdict.reasons
    shown = reasons if len(reasons) <= MAX_ANNOTATIONS else reasons[: MAX_ANNOTATIONS - 1]
    lines = [
        command("error", _sentence(reason, summary.report), title=f"ci-gpu: {printable(reason.image)[:100]}")
        for reason in shown
    ]
    if len(shown) < len(reasons):
        lines.append(command("error", f"and {len(reasons) - len(shown)} more: see the summary", title="ci-gpu"))
    return tuple(lines)


def _image_outputs(image: ImageReport | None) -> dict[str, str]:
    environment = (image.environment if image else None) or Environment("", "", "")
    return {
        "image-digest": image.image.digest if image else "",
        "torch-version": environment.torch,
        "cuda-version": environment.torch_cuda,
        "driver-version": environment.driver,
        "gpu-count": str(len(environment.gpus)),
        "gpu-names": ", ".join(gpu.name for gpu in environment.gpus),
    }


def _trial_outputs(trial: Trial | None) -> dict[str, str]:
    """How many of the gated metrics have which verdict; empty where nothing was compared."""
    found = Counter(one.verdict for one in trial.metrics if one.gated) if trial else Counter()
    words = (REGRESSED, IMPROVED, UNCHANGED, INCONCLUSIVE, MISSING)
    return {word: str(found[word]) if trial else "" for word in words}


def _first_kind(reasons: tuple[Reason, ...], exit_code: int) -> str:
    return next((reason.kind for reason in reasons if reason.exit_code == exit_code), "")


def _sentence(reason: Reason, report: RunReport) -> str:
    subject = f"{reason.subject}: " if reason.subject else ""
    remedy = f" – {reason.remedy}" if reason.remedy else ""
    also = _words.because(reason, report)
    return printable(f"{subject}{reason.message}{f', {also}' if also else ''}{remedy}")


def _write_outputs(env: Mapping[str, str], values: Mapping[str, str]) -> None:
    """Each on one line, with a delimiter that nobody can know, so that no value can end itself and begin another."""
    delimiter = f"ghadelimiter_{uuid.uuid4()}"
    lines = (f"{name}<<{delimiter}\n{printable(value)}\n{delimiter}\n" for name, value in values.items())
    _append(env.get("GITHUB_OUTPUT", ""), "".join(lines))


def _append(path: str, text: str) -> None:
    if path:
        with Path(path).open("a", encoding="utf-8", errors="replace", newline="\n") as file:
            file.write(text)


def _put(path: str, text: str, at: int) -> int:
    """Only a regular file has places: into a pipe nothing is written twice."""
    if not path or (at >= 0 and not Path(path).is_file()):
        return at
    with Path(path).open("ab") as file:
        if at >= 0:
            file.truncate(at)
        begins = file.tell()
        file.write(text.encode("utf-8", "replace"))
    return begins


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
