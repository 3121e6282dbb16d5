"""What a pull request's ci-gpu.toml may decide: nothing that the workflow named, and nothing that loosens the gate.

Whole runs by the local engine, as a job of a pull request: with its event, its checkout, and a GitHub that serves the
file of the base branch (``GET /repos/{owner}/{repo}/contents/{path}``: docs.github.com/rest/repos/contents).
"""

from __future__ import annotations

import base64
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from ci_gpu import trial
from ci_gpu.cli import cli
from ci_gpu.document import CREDENTIALS
from ci_gpu.errors import ConfigError
from ci_gpu.policy import KEYS
from ci_gpu.proposal import TIGHTER
from ci_gpu.settings import Settings
from tests.github.scripted import Answer, Asked, GitHub, github
from tests.test_trial import CHECKS, TORCH

BASE, HEAD, MERGE = "b" * 40, "a" * 40, "c" * 40
REFS = (f"ref={BASE}", "ref=refs%2Fheads%2Fmain")
NOT_FOUND = Answer(404, {"message": "Not Found", "status": "404"})
BASE_REF = "refs/heads/main"
FLOOR = '[metrics."speed.speed/rate"]\nfloor = "100 m/s"\n'


class Job:
    """A job of a pull request: what its checkout and its base branch hold, and what ran."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, server: GitHub, files: dict[str, str]) -> None:
        self.folder, self.server, self.files = folder, server, files
        self.workspace = folder / "workspace"
        (self.workspace / ".git").mkdir(parents=True)
        self.checkout(MERGE)
        (self.workspace / "mine").mkdir()
        (self.workspace / "mine/speed.py").write_text(CHECKS)
        (folder / "torch.py").write_text(TORCH)
        monkeypatch.chdir(self.workspace)
        monkeypatch.setattr(trial, "_fixed_loop", lambda: 1.0)
        for name in [name for name in os.environ if name.startswith(("CI_GPU_", "GITHUB_"))]:
            monkeypatch.delenv(name)
        self.setenv = monkeypatch.setenv
        self.event("pull_request", {"pull_request": PULL_REQUEST})
        for name, value in {
            "GITHUB_ACTIONS": "true",
            "GITHUB_REPOSITORY": "org/repo",
            "GITHUB_WORKSPACE": str(self.workspace),
            "GITHUB_SHA": MERGE,
            "GITHUB_API_URL": server.url,
            "CI_GPU_GITHUB_TOKEN": "t0ken",
        }.items():
            monkeypatch.setenv(name, value)

    def event(self, name: str, payload: object) -> None:
        (self.folder / "event.json").write_text(json.dumps(payload))
        self.setenv("GITHUB_EVENT_NAME", name)
        self.setenv("GITHUB_EVENT_PATH", str(self.folder / "event.json"))

    def checkout(self, sha: str) -> None:
        """As actions/checkout leaves it for a pull request: a detached HEAD."""
        (self.workspace / ".git/HEAD").write_text(f"{sha}\n")

    def holds(self, *, head: str | None = None, base: str | None = None) -> None:
        path = self.workspace / "ci-gpu.toml"
        path.unlink(missing_ok=True) if head is None else path.write_text(head)
        self.files.clear()
        if base is not None:
            self.files["ci-gpu.toml"] = base

    def image(self, name: str, rate: float = 50.0, octets: float = 100.0, torch: bool = True) -> str:
        """The path of an interpreter, which is an image for the local engine."""
        path = self.folder / name
        found = f"PYTHONPATH={self.folder}" if torch else "PYTHONPATH="
        path.write_text(
            f'#!/bin/sh\nexec env {found} RATE={rate} BYTES={octets} {sys.executable} {"" if torch else "-S"} "$@"\n'
        )
        path.chmod(0o755)
        return str(path)

    def run(self, *arguments: str) -> Result:
        words = ("run", "--engine", "local", "--device", "cpu", *arguments, "--json", str(self.folder / "run.json"))
        return CliRunner().invoke(cli, words, standalone_mode=False)

    def code(self, *arguments: str) -> int:
        done = self.run("--checks-dir", "mine", "--checks", "speed", *arguments)
        assert done.exception is None, done.output
        code: int = done.return_value
        return code

    def report(self) -> dict[str, Any]:
        whole: dict[str, Any] = json.loads((self.folder / "run.json").read_text())
        return whole


PULL_REQUEST = {
    "number": 7,
    "base": {"sha": BASE, "ref": "main"},
    "head": {"sha": HEAD, "repo": {"full_name": "org/repo"}},
}


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Job]:
    files: dict[str, str] = {}

    def answer(asked: Asked) -> Answer:
        path, _, query = asked.path.removeprefix("/repos/org/repo/contents").partition("?")
        if not asked.path.startswith("/repos/org/repo/contents") or query not in REFS:
            return NOT_FOUND
        if path in ("", "/"):
            return Answer(200, [{"type": "file", "name": name, "path": name} for name in files])
        text = files.get(path.lstrip("/"))
        if text is None:
            return NOT_FOUND
        content = base64.encodebytes(text.encode()).decode()
        return Answer(200, {"type": "file", "encoding": "base64", "size": len(text), "content": content})

    with github(answer) as server:
        yield Job(tmp_path, monkeypatch, server, files)


@pytest.mark.attack
def test_a_table_of_the_pull_request_s_does_not_make_another_image_of_the_one_that_the_workflow_named(job: Job) -> None:
    """A pull request gives the workflow's image a table that names another one.

    The other image would be examined and the first one's name would be green. An image that the workflow names by its
    reference or path is that image.
    """
    broken, good = job.image("broken", torch=False), job.image("good")
    job.holds(head=f'[images."{broken}"]\nimage = "{good}"\n')

    assert job.code(broken) == 4


@pytest.mark.attack
@pytest.mark.parametrize("head", [None, "", f"{FLOOR}gate = false\n", FLOOR.replace("100", "1"), '[metrics."*"]\n'])
def test_a_bound_of_the_base_branch_holds_whatever_the_pull_request_s_file_says_of_it(
    job: Job, head: str | None
) -> None:
    """A pull request removes or lowers a floor, turns its gate off, covers it by another rule, or deletes the file.

    A metric below the floor would be green. The bounds of the base branch hold until the change is merged.
    """
    job.holds(head=head, base=FLOOR)

    assert job.code(job.image("slow")) == 1


@pytest.mark.attack
@pytest.mark.parametrize("head", ['[metrics."*"]\ngate = false\n', '[metrics."*"]\nmin-effect = "90%"\n'])
def test_a_regression_is_red_whatever_the_pull_request_s_file_says_of_its_metric(job: Job, head: str) -> None:
    """A pull request takes the gate from a metric that regresses, or gives it a margin that hides the change.

    The comparison that the workflow names would be green. Gates and margins are those of the base branch.
    """
    job.holds(head=head, base="")
    small, big = job.image("small"), job.image("big", octets=150.0)

    assert job.code(big, "--baseline", small, "--pairs", "2", "--inconclusive", "pass") == 1


@pytest.mark.attack
def test_a_file_that_an_earlier_job_left_on_the_runner_is_not_read(job: Job) -> None:
    """A job of a pull request leaves its checkout on a persistent runner, and the next job checks out nothing.

    The file of the first would decide over the second. A checkout of another commit is read only where it is named.
    """
    job.holds(head="[metrcs]\n", base="")
    job.checkout("d" * 40)

    assert job.code(job.image("good")) == 0
    assert "ci-gpu.toml is not read" in job.run("--checks", "compatibility", job.image("good")).stderr
    assert isinstance(job.run("--config", "ci-gpu.toml", job.image("good")).exception, ConfigError)


@pytest.mark.attack
def test_a_name_that_only_the_pull_request_knows_is_not_what_the_workflow_named(job: Job) -> None:
    """A pull request gives the workflow's bare name, which is an image of Docker Hub's, a table of its own.

    Another image would be examined in its place. A name is looked up in the base branch.
    """
    job.holds(head=f'[images.ubuntu]\nimage = "{job.image("good")}"\n', base="")

    assert "only the pull request's ci-gpu.toml says" in str(job.run("ubuntu").exception)


@pytest.mark.attack
def test_a_name_of_the_base_branch_is_the_image_that_it_says_and_the_other_is_examined_as_well(job: Job) -> None:
    """A pull request makes another image of a name that the workflow names.

    The name would be green without the image that the base branch means by it. Both are examined, under names of their
    own, and the change is told as one that takes effect when it is merged.
    """
    broken, good = job.image("broken", torch=False), job.image("good")
    table = '[images.nightly]\nimage = "{}"\n'
    job.holds(head=table.format(good), base=table.format(broken))

    assert job.code("nightly") == 4
    whole = job.report()
    assert [(one["name"], one["image"]["reference"]) for one in whole["images"]] == [("nightly", broken), (good, good)]
    assert f'[images."nightly"] image = "{good}" instead of "{broken}"' in whole["proposal"]["pending"]


@pytest.mark.attack
@pytest.mark.parametrize("baseline", ["nightly", "small"])
def test_a_comparison_is_of_what_the_pull_request_makes_of_a_name_with_what_it_is(job: Job, baseline: str) -> None:
    """A pull request makes a slower image of the name that the workflow compares, or of its baseline as well.

    What the name means today would be compared in its place, and be green. The head is what it means once that is
    merged, the baseline what the base branch says.
    """
    small, big = job.image("small"), job.image("big", octets=200.0)
    table = '[images.nightly]\nimage = "{}"\n[images.small]\nimage = "{}"\n'
    job.holds(head=table.format(big, big), base=table.format(small, small))

    assert job.code("nightly", "--baseline", baseline, "--pairs", "2", "--inconclusive", "pass") == 1
    whole = job.report()
    assert whole["images"][0]["image"]["reference"] == big
    assert f'[images."nightly"] image = "{big}" instead of "{small}"' in whole["proposal"]["pending"]


@pytest.mark.attack
def test_an_image_of_the_file_is_examined_though_the_pull_request_takes_it_away(job: Job) -> None:
    """A pull request removes the image that fails from the file, whose images the workflow examines.

    What is left would be green. The images of the base branch are examined, and those that the pull request adds.
    """
    table = '[images.{}]\nimage = "{}"\n'
    broken, good = job.image("broken", torch=False), job.image("good")
    job.holds(head=table.format("new", good), base=table.format("old", broken))

    assert job.code() == 4
    assert [one["name"] for one in job.report()["images"]] == ["old", "new"]


@pytest.mark.attack
@pytest.mark.parametrize("name", ["merge_group", "issue_comment", "workflow_run", "pull_request_target", "broken"])
def test_every_event_that_is_about_a_pull_request_is_held_to_the_base_branch(job: Job, name: str) -> None:
    """A pull request's checkout is examined on another event than ``pull_request``, or on one that cannot be read.

    Its file would count whole there. Whatever the payload says of a pull request makes it one.
    """
    payloads = {
        "merge_group": {"merge_group": {"base_ref": BASE_REF, "head_sha": MERGE, "base_sha": "e" * 40}},
        "issue_comment": {"issue": {"number": 7, "pull_request": {"url": "https://example.test"}}},
        "workflow_run": {"workflow_run": {"event": "pull_request", "pull_requests": []}},
    }
    job.event(name.replace("broken", "pull_request"), payloads.get(name, {"pull_request": PULL_REQUEST}))
    if name == "broken":
        (job.folder / "event.json").write_text("{")
    if name in ("issue_comment", "workflow_run"):
        job.setenv("GITHUB_SHA", BASE)
    job.holds(head='[run]\nchecks = "speed.fact"\n[metrics."speed.speed/rate"]\ngate = false\n', base=FLOOR)
    code = job.code("--config", "ci-gpu.toml", job.image("slow"))

    assert code == (0 if name == "broken" else 1)
    assert job.report()["proposal"]["pending"] == ['[metrics."speed.speed/rate"] gate = false']


@pytest.mark.attack
def test_a_link_out_of_the_checkout_is_not_the_runner_s_own_file(job: Job) -> None:
    """A pull request makes ci-gpu.toml a link to a file that lies outside of the workspace.

    As the runner's own it would count whole. What a checkout links to is the pull request's word.
    """
    job.holds(base=FLOOR)
    (job.folder / "loose.toml").write_text('[metrics."*"]\ngate = false\n')
    (job.workspace / "ci-gpu.toml").symlink_to(job.folder / "loose.toml")

    assert job.code("--config", "ci-gpu.toml", job.image("slow")) == 1


@pytest.mark.attack
def test_a_base_branch_that_cannot_be_read_leaves_the_defaults_and_says_so(job: Job) -> None:
    """The base branch's file cannot be read, and a pull request loosens the gate.

    Its word would be the only one. The defaults hold, and the first line of every report says so.
    """
    job.holds(head='[metrics."*"]\ngate = false\n', base="[run")
    small, big = job.image("small"), job.image("big", octets=150.0)
    comparison = ("--baseline", small, "--pairs", "2", "--inconclusive", "pass")

    assert job.code(big, *comparison) == 1
    assert "cannot be read" in job.report()["proposal"]["unread"]
    job.setenv("CI_GPU_GITHUB_TOKEN", "")
    done = job.run("--checks-dir", "mine", "--checks", "speed", big, *comparison)
    assert done.return_value == 1
    assert done.stdout.startswith("The base branch's ci-gpu.toml could not be read")


def test_what_a_pull_request_tightens_holds_at_once(job: Job) -> None:
    job.holds(head=FLOOR, base="")

    assert job.code(job.image("slow")) == 1
    assert job.report()["proposal"]["pending"] == []


def test_a_push_reads_the_file_whole(job: Job) -> None:
    job.event("push", {"ref": "refs/heads/topic"})
    job.holds(head=FLOOR + "gate = false\n", base=FLOOR)

    assert job.code(job.image("slow")) == 0
    assert job.server.asked == []


def test_a_job_without_a_checkout_asks_nobody(job: Job) -> None:
    (job.workspace / ".git/HEAD").unlink()

    assert job.code(job.image("good")) == 0
    assert job.server.asked == []


def test_every_key_has_its_row_in_the_documents_with_the_tighter_value_where_there_is_one() -> None:
    text = (Path(__file__).parents[1] / "docs/pull-requests.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `([a-z0-9-]+)` \| (.*) \|$", text, flags=re.MULTILINE))
    keys = {field.encode_name: field.name for field in msgspec.structs.fields(Settings)}
    undecided = {key for key, said in rows.items() if said.startswith("–")}

    assert set(rows) == {*keys, *KEYS} - set(CREDENTIALS)
    assert {keys[key] for key in undecided} == {*keys.values()} - {*TIGHTER} - {
        name.replace("-", "_") for name in CREDENTIALS
    }


def test_a_baseline_that_is_the_image_itself_is_told(job: Job) -> None:
    image = job.image("good")

    assert job.code(image, "--baseline", image, "--pairs", "2", "--inconclusive", "pass") == 0
    assert "is the same image: only chance can differ" in job.report()["verdict"]["advice"][0]["message"]
    assert job.code(job.image("other"), "--baseline", image, "--pairs", "2", "--inconclusive", "pass") == 0
    assert not job.report()["verdict"].get("advice")
