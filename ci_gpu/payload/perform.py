"""One check function, from its call to its result."""

from __future__ import annotations

import importlib
import json
import sys
import traceback
from dataclasses import asdict
from typing import Any, Dict, List, Optional

from . import cuda_errors, evidence, probe, processes
from .needs import demand
from .wire import (
    ERROR,
    FAILED,
    PASSED,
    SKIPPED,
    CheckResult,
    Fact,
    Fail,
    Metric,
    Note,
    NotMade,
    Skip,
    finite,
)

SEED = 20251015
"""The same random data in every image, so that a difference is the image's."""

MESSAGE_CHARACTERS = 4000


def check(check_id: str, module: str, device: str, fallen: Optional[cuda_errors.Cause] = None) -> CheckResult:
    """Call ``check_<name>`` of the module and put what came of it into words.

    ``fallen``: why no GPU answers in a run that is to use one.
    """
    found: List[Any] = []
    verdict: Dict[str, str] = {"outcome": PASSED}
    used_gpu: Optional[bool] = None
    function = None
    try:
        function = getattr(importlib.import_module(module), "check_" + check_id.partition(".")[2])
        demand(function, fallen)
        sys.modules["torch"].manual_seed(SEED)
        found.extend(evidence.of(function, device))
        verdict = _sufficient(found, function)
    except Skip as skip:
        why = evidence.in_words((skip.args or ("",))[0])
        verdict = {"outcome": SKIPPED, "message": why, "kind": evidence.in_words(skip.kind)}
    except NotMade as not_made:
        verdict = _failed(not_made, ERROR, cuda_errors.NOT_MADE)
    except Fail as fail:
        found.extend(evidence.facts_of(fail))
        verdict = _failed(fail, FAILED, "wrong")
    except evidence.Misuse as misuse:
        verdict = {"outcome": ERROR, "kind": "bad-check", "message": str(misuse), "hint": _MISUSED}
    except BaseException as error:  # SystemExit, too: nothing of a check's may end the process unreported
        used_gpu = _used_gpu()  # before another look at the GPUs
        verdict = _broken(error, device)
        verdict["message"] = evidence.raised_in(error, module) + verdict["message"]
        verdict["hint"] = verdict["hint"] if function else _NOT_LOADED.format(verdict["hint"])
    words: Dict[str, Any] = {key: value[:MESSAGE_CHARACTERS] for key, value in verdict.items()}
    return CheckResult(
        check_id,
        facts=tuple(item for item in found if isinstance(item, Fact)),
        metrics=tuple(item for item in found if isinstance(item, Metric)),
        notes=tuple(item.text for item in found if isinstance(item, Note)),
        used_gpu=_used_gpu() if used_gpu is None else used_gpu,
        **words,
    )


_MISUSED = "mend the check: nothing is known of the image by it"
_NOT_LOADED = (
    "{}; it was raised while the file of the check was imported: import what not every image has inside the check, and "
    "raise Skip where it may be missing"
)


def to_json(value: Any) -> bytes:
    """A dataclass as JSON, on its way out of the forked process."""
    return json.dumps(finite(asdict(value))).encode()


def last_line(error: BaseException) -> str:
    """The exception as Python prints it last: type and message."""
    return "".join(traceback.format_exception_only(type(error), error)).strip()[:MESSAGE_CHARACTERS]


def _sufficient(found: List[Any], function: Any) -> Dict[str, str]:
    """A check that shows nothing has checked nothing."""
    if any(isinstance(item, (Fact, Metric)) for item in found):
        return {"outcome": PASSED}
    said = "the check ended without a fact or a metric, so nothing shows that it checked anything"
    return {
        "outcome": ERROR,
        "kind": "no-evidence",
        "message": f"{evidence.defined_in(function)}{said}",
        "hint": "yield at least one Fact(name, value) of what was looked at",
    }


def _failed(fail: Fail, outcome: str, kind: str) -> Dict[str, str]:
    """A user's check may have said anything; and a failure of its own kind may have forgotten to call ours."""
    cause = getattr(fail, "cause", "")
    return {
        "outcome": outcome,
        "message": evidence.in_words(getattr(fail, "message", None) or (fail.args or ("no reason was given",))[0]),
        "hint": evidence.in_words(getattr(fail, "hint", "")),
        "kind": kind,
        "cause": cause if isinstance(cause, str) and cause in cuda_errors.CAUSES else "",
    }


def _broken(error: BaseException, device: str) -> Dict[str, str]:
    """An exception, with what its text means; where that says nothing, with why no GPU answers any more."""
    traceback.print_exception(type(error), error, error.__traceback__)
    text = last_line(error)
    if processes.caused(error):
        message = f"{text.splitlines()[0]}: {processes.limits()}"
        return {"outcome": ERROR, "kind": processes.KIND, "message": message, "hint": processes.HINT}
    if device != "cuda":  # whatever its words are: no CUDA was used
        return _unexplained(text, "exception")
    cause = cuda_errors.of_exception(text)
    return _explained(text, cause) if cause else _gone(error, text)


def _unexplained(text: str, kind: str) -> Dict[str, str]:
    return {"outcome": ERROR, "kind": kind, "message": text, "hint": "the log has the traceback"}


def _explained(text: str, cause: cuda_errors.Cause) -> Dict[str, str]:
    return {
        "outcome": ERROR,
        "kind": "out-of-memory" if cause.id == "out-of-memory" else "cuda-error",
        "message": f"{text.splitlines()[0]} ({cause.meaning})",
        "hint": cause.remedy,
        "cause": cause.id,
    }


def _gone(error: BaseException, text: str) -> Dict[str, str]:
    """An error that says nothing of a cause: beside it why no GPU answers any more, which may be what it came from."""
    kind = "cuda-error" if "CUDA error" in text or "AcceleratorError" in text else "exception"
    said = probe.gpu_error(sys.modules["torch"])
    cause = cuda_errors.classify(said)
    if cause is None:
        return _unexplained(text, kind)
    beside = f"(and no GPU answers: {said})"
    if _may_be_of_the_gpu(error):
        return _explained(f"{text.splitlines()[0]} {beside}", cause)
    return _unexplained(f"{text} {beside}", kind)


def _may_be_of_the_gpu(error: BaseException) -> bool:
    """CUDA's errors are a RuntimeError, or come out of torch or our own checks; a failed assertion is a judgement."""
    if isinstance(error, RuntimeError):
        return True
    frames = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    raised_in = str(frames[-1]) if frames else ""
    return not isinstance(error, AssertionError) and raised_in.startswith(("torch.", f"{__package__}."))


def _used_gpu() -> bool:
    """Whether this process has a CUDA context: a check that says it ran on the GPU must have touched one."""
    return bool(sys.modules["torch"].cuda.is_initialized())
