"""The little of a runner that starts the steps of action.yml one by one; the real one is in test_act.py.

It knows inputs, step outputs, `runner.temp` and that there is no matrix, and refuses every other expression, so that it
cannot be wrong in silence. Steps with an `if` other than `always()` are not run.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
ACTION: dict[str, Any] = YAML(typ="safe").load(ROOT / "action.yml")
SHELL = ("bash", "--noprofile", "--norc", "-eo", "pipefail")  # what `shell: bash` means


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """How one step ended."""

    name: str
    code: int
    log: str
    outputs: Mapping[str, str]


class Runner(msgspec.Struct, frozen=True, kw_only=True):
    """A machine with a checkout. ``temp`` is its RUNNER_TEMP, ``action`` where it has put the action;
    ``env`` is what the job sets for all steps.
    """

    workspace: Path
    temp: Path
    action: Path = ROOT
    env: Mapping[str, str] = {}

    def run(self, **inputs: str) -> dict[str, Step]:
        """All steps of the action, by their names; after a failure only those that always run."""
        done: dict[str, Step] = {}
        failed = False
        for step in ACTION["runs"]["steps"]:
            if step.get("if", "always()") == "always()" and (not failed or "if" in step):
                done[step.get("id", step["name"])] = self._step(step, inputs, done)
                failed = any(one.code != 0 for one in done.values())
        return done

    def _step(self, step: Mapping[str, Any], inputs: Mapping[str, str], done: Mapping[str, Step]) -> Step:
        output, script = self.temp / "_output", self.temp / "_script.sh"
        output.write_text("")
        script.write_text(step["run"])
        own = {name: self._filled(value, inputs, done) for name, value in step.get("env", {}).items()}
        given = {"GITHUB_OUTPUT": str(output), "GITHUB_ACTION_PATH": str(self.action), "RUNNER_TEMP": str(self.temp)}
        finished = subprocess.run(
            (*SHELL, str(script)),
            cwd=self._filled(step.get("working-directory", str(self.workspace)), inputs, done),
            env={**os.environ, **self.env, **given, **own},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        log = finished.stdout + finished.stderr
        return Step(name=step["name"], code=finished.returncode, log=log, outputs=outputs(output.read_text()))

    def _filled(self, text: str, inputs: Mapping[str, str], done: Mapping[str, Step]) -> str:
        def value(match: re.Match[str]) -> str:
            words = match[1].split(".")
            if words[0] == "inputs":
                return inputs.get(words[1], default(words[1]))
            if words[0] == "steps":
                return done[words[1]].outputs.get(words[3], "")
            return {"runner.temp": str(self.temp), "github.token": "", "toJSON(matrix)": "null"}[match[1]]

        return re.sub(r"\$\{\{ (.*?) \}\}", value, text)


def default(name: str) -> str:
    """The default of an input; the token's is an expression, and empty here."""
    value = str(ACTION["inputs"][name].get("default", ""))
    return "" if value.startswith("${{") else value


def outputs(text: str) -> dict[str, str]:
    """A GITHUB_OUTPUT file, read as a runner reads it: ``name=value``, or ``name<<WORD``, lines, ``WORD``."""
    found: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        name, mark, rest = re.fullmatch(r"([^=<]+)(=|<<)(.*)", line).groups()  # type: ignore[union-attr]
        found[name] = rest if mark == "=" else "\n".join(iter(lambda: next(lines), rest))
    return found
