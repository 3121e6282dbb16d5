"""A shipped example under the real act: what a user gets who copies it.

There is no GPU where this runs, so the example's own `with:` is given other values, and nothing else is touched.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from ruamel.yaml import YAML

from tests.action.github import REPOSITORY
from tests.action.runner import ROOT
from tests.containers.ground import Ground
from tests.needs import program

PULL_REQUEST = 7
UPLOAD = "actions/upload-artifact@043fb46d1a93c77aae656e7c1c64a875d1fc6a0a"


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """How a workflow ended: the result of each job, the outputs of the action, and the files that were kept."""

    code: int
    jobs: Mapping[str, str]
    outputs: Mapping[str, str]
    kept: frozenset[str]
    log: str


class Workflow(msgspec.Struct, frozen=True, kw_only=True):
    """A repository with the example in it, and act to run it."""

    folder: Path
    ground: Ground
    api: str

    def run(
        self, image: str, *, head: str = REPOSITORY, name: str = "pull-request", sha: str = "1" * 40, **inputs: str
    ) -> Run:
        """An example, as on a pull request from ``head`` with this image in it, at this commit."""
        path = self.folder / f"repository/.github/workflows/{name}.yml"
        given = {"checks": "compatibility,autograd", **{key.replace("_", "-"): value for key, value in inputs.items()}}
        path.write_text(example(name, {"image": image, "device": "cpu", "engine": "podman", **given}))
        event = self.folder / "event.json"
        event.write_text(json.dumps(pull_request(head, sha)))
        argv = [program("act"), "pull_request", "--json", "--no-cache-server", "-W", str(path), "-e", str(event)]
        argv += ["-P", "self-hosted=-self-hosted", "-P", "ubuntu-24.04=-self-hosted", "-s", "GITHUB_TOKEN=ghs_test"]
        argv += ["--local-repository", f"org/ci-gpu@v1={published(self.folder)}", "--env", f"GITHUB_API_URL={self.api}"]
        argv += ["--local-repository", f"{UPLOAD}={upload(self.folder)}"]
        for name, value in self.ground.env.items():
            argv += ["--env", f"{name}={value}"] if name != "HOME" else []
        env = {**os.environ, **self.ground.env, "HOME": str(self.folder)}
        done = subprocess.run(
            argv, cwd=self.folder / "repository", env=env, capture_output=True, text=True, timeout=540, check=False
        )
        return read(done, frozenset(path.name for path in (self.folder / "kept").rglob("*.*")))


def published(folder: Path) -> Path:
    """What a release has: the files of the repository, and not the gigabytes of an environment beside them."""
    target = folder / "published"
    if not target.exists():
        listing = ("git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard")
        names = subprocess.run(listing, capture_output=True, text=True, check=True).stdout.split("\0")
        for source in (ROOT / name for name in names if name and (ROOT / name).is_file()):
            copy = target / source.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, copy)
    return target


def upload(folder: Path) -> Path:
    """In place of actions/upload-artifact, which needs GitHub's own store: a copy into a folder."""
    (folder / "upload").mkdir(exist_ok=True)
    script = f'cp -r -- "$SOURCE" "{folder}/kept"'
    step = {"shell": "bash", "env": {"SOURCE": "${{ inputs.path }}"}, "run": script}
    action = {"name": "upload", "description": "copy", "inputs": {"name": {}, "path": {}}}
    document = {**action, "runs": {"using": "composite", "steps": [step]}}
    (folder / "upload/action.yml").write_text(json.dumps(document))
    return folder / "upload"


def example(name: str, inputs: Mapping[str, str]) -> str:
    """A shipped example with other values for inputs that it gives, or could."""
    yaml = YAML(typ="safe")
    workflow: dict[str, Any] = yaml.load(ROOT / f"examples/{name}.yml")
    (step,) = [one for one in workflow["jobs"]["gpu"]["steps"] if one["uses"] == "org/ci-gpu@v1"]
    assert step["with"]["comment"] == "auto"
    step["with"] |= inputs
    return json.dumps(workflow)  # JSON is YAML


def pull_request(head: str, sha: str) -> dict[str, Any]:
    """The event, as far as act and ci-gpu read it."""
    return {
        "action": "synchronize",
        "number": PULL_REQUEST,
        "repository": {"full_name": REPOSITORY},
        "pull_request": {
            "number": PULL_REQUEST,
            "head": {"ref": "topic", "sha": sha, "repo": {"full_name": head}},
            "base": {"ref": "main", "sha": "2" * 40, "repo": {"full_name": REPOSITORY}},
        },
    }


def read(done: subprocess.CompletedProcess[str], kept: frozenset[str]) -> Run:
    """What act's JSON lines tell."""
    jobs, outputs = {}, {}
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    for line in lines:
        if "jobResult" in line:
            jobs[str(line["jobID"])] = str(line["jobResult"])
        if line.get("command") == "set-output" and line.get("stepID") == ["gpu"]:
            outputs[str(line["name"])] = str(line["arg"])
    log = "\n".join(str(line.get("msg", "")).rstrip() for line in lines) + done.stderr
    return Run(code=done.returncode, jobs=jobs, outputs=outputs, kept=kept, log=log)
