"""Whatever a stranger can put words into: the runner obeys none of them, and no terminal is steered."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import cmarkgfm
import pytest
from cmarkgfm.cmark import Options
from ruamel.yaml import YAML

from ci_gpu.cli import history
from ci_gpu.history import document
from tests.github.scripted import Answer, Asked, github
from tests.github.test_comment import Thread
from tests.history import records
from tests.obeying import obeyed

ROOT = Path(__file__).parents[1]

TRICKS = (
    "##[error]OBEYED",
    "::error::OBEYED",
    " \t::set-output name=conclusion::OBEYED",
    "a\n::add-mask::OBEYED",
    "a\r::add-mask::OBEYED",
    "#\x1b[0m#\u200b[error]OBEYED #\ufe0f#[error]OBEYED ##\x1b[1m[error]OBEYED",
    "\ufe0f:\u200b:error::OBEYED",
    "\x1b[2J\x1b]0;OBEYED\x07\x9b2J \u202eOBEYED\u202c \u200b\u2066\x00\x08",
    "@org/team fixes #1, closes org/repo#2 <img src=https://evil.example/x> [x](https://evil.example)",
)
EVERY = "\n".join((*TRICKS, *reversed(TRICKS)))
UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")

INTERPRETER = """\
#!{python}
import json, sys
sys.path.insert(0, {root!r})
nonce = sys.argv[3]
trick = json.loads({trick!r})
print(trick, flush=True)  # before an event, on the same pipe: two pipes have no order
{body}
"""
"""An "interpreter" of the local engine's that says what it likes, in events that are well formed."""

SPEAKS = """\
from ci_gpu.payload.wire import *
def say(event):
    sys.stdout.write(frame(nonce, event)); sys.stdout.flush()
print(trick); print(trick, file=sys.stderr)
say(Hello(PROTOCOL, trick, trick))
gpus = (Gpu(0, trick, trick, trick, error=trick),)
say(Environment(trick, trick, trick, trick, trick, trick, trick, trick, (trick,), trick, trick, trick, trick, gpus,
    trick, 1, {trick: trick}, {trick: trick}, 0.1, trick, gpus, (trick,)))
facts, notes = (Fact(trick, trick, trick),), (trick,)
metrics = (Metric(trick, trick, "lower", (1.0, None)),)
for name, outcome in zip(("accumulation", "double_backward", "gradcheck", "no_grad"), OUTCOMES):
    say(Started("autograd." + name))
    print(trick); print(trick, file=sys.stderr)
    say(Finished(CheckResult("autograd." + name, outcome, 0.1, trick, trick, trick, facts, metrics, notes, log=trick)))
say(Bye(4))
"""
CHECKS = "autograd.accumulation,autograd.double_backward,autograd.gradcheck,autograd.no_grad"

IMAGES = {
    "an answer": SPEAKS,
    "no hello": "print(trick); print(trick, file=sys.stderr); sys.exit(3)",
    "no hello, and a traceback": "sys.stderr.write(f'Traceback (most recent call last):\\n  File \"<string>\", '"
    "f'line 1\\n  File \"{trick}/x.py\", line 1\\n{trick}\\n'); sys.exit(1)",
    "an event that is none": "print('\\n' + nonce + trick)",
    "an event with a foreign key": "print('\\n' + nonce + json.dumps({'event': trick, trick: trick}))",
    "a check that nobody asked for": "from ci_gpu.payload.wire import *; print(frame(nonce, Hello(PROTOCOL, '', '')));"
    "print(frame(nonce, Environment('', '', ''))); print(frame(nonce, Started(trick)))",
    "torch that is broken": "from ci_gpu.payload.wire import *; print(frame(nonce, Hello(PROTOCOL, '', '')));"
    "print(frame(nonce, Unusable('torch-broken', trick)))",
}


class Told(NamedTuple):
    """What a command said, and the files that the runner reads afterwards."""

    code: int
    log: str
    files: Mapping[str, str]


def ci_gpu(folder: Path, *argv: str, **env: str) -> Told:
    """The command in a job of a workflow."""
    files = ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_ENV", "GITHUB_PATH")
    runner = {name: str(folder / name) for name in files}
    done = subprocess.run(
        (sys.executable, "-m", "ci_gpu", *argv),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "GITHUB_ACTIONS": "true", **runner, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
        check=False,
    )
    written = {path.name: path.read_bytes().decode() for path in folder.glob("GITHUB_*")}
    return Told(done.returncode, done.stdout.decode(), written)


def require_unobeyed(told: Told, *, ours: bool = True) -> None:
    """Of all that was said the runner obeys our own annotations, whose words are on one line and steer nothing."""
    commands = obeyed(told.log)
    assert not [command for command in commands if not command.startswith("error ")]
    assert not [command for command in commands if re.match(r"error ?OBEYED", command)]
    assert ours or not commands
    assert not UNFIT.findall(told.log.replace("\r\n", "\n"))
    assert "70" not in str(told.code), told.log


def require_outputs(written: str) -> None:
    """Only the action's own outputs, each with one line between two delimiters."""
    known = set(YAML(typ="safe").load(ROOT / "action.yml")["outputs"]) | {"html-file", "json-file", "markdown-file"}
    blocks = re.findall(r"([a-z-]+)<<(ghadelimiter_\S+)\n([^\n]*)\n\2\n", written)
    assert "".join(f"{name}<<{mark}\n{value}\n{mark}\n" for name, mark, value in blocks) == written
    assert {name for name, _, _ in blocks} <= known
    assert not [value for _, _, value in blocks if UNFIT.search(value) or obeyed(value)]


def require_silent(markdown: str) -> None:
    """Nobody is called, and no issue is linked or closed: what would do it stands in code."""
    page = cmarkgfm.github_flavored_markdown_to_html(markdown, options=Options.CMARK_OPT_UNSAFE)
    said = re.sub(r"<(code|pre)\b.*?</\1>", "", page, flags=re.DOTALL)
    assert not re.findall(r"@org|#1|org/repo|<img|<a |https?:|OBEYED", said)
    assert obeyed(markdown) == []
    assert not UNFIT.findall(markdown)


def interpreter(folder: Path, body: str, trick: str) -> str:
    path = folder / "python"
    path.write_text(INTERPRETER.format(python=sys.executable, root=str(ROOT), trick=json.dumps(trick), body=body))
    path.chmod(0o755)
    return str(path)


def examined(folder: Path, body: str, trick: str, *argv: str, **env: str) -> Told:
    python = interpreter(folder, body, trick)
    local = ("--engine", "local", "--device", "cpu", "--checks", CHECKS, "--report-dir", "r")
    return ci_gpu(folder, "run", *local, python, *argv, **env)


def test_the_model_of_the_runner_obeys_each_of_these() -> None:
    """So what is not obeyed below was defused by us."""
    assert [bool(obeyed(trick)) for trick in TRICKS] == [True] * 7 + [False] * 2
    assert obeyed("::stop-commands::t0ken\n::error::x\n##[error]x\n::t0ken::\n::error::y") == ["error y"]
    assert obeyed("::error title=a%3A b::x: y\nC++ says a::b and ::unknown::x") == ["error x: y"]


@pytest.mark.attack
@pytest.mark.parametrize("image", IMAGES)
def test_an_image_speaks_runner_commands(image: str, tmp_path: Path) -> None:
    """An image puts workflow commands and escape sequences into everything that it says: the runner would set outputs,
    mask words, forge annotations. Every foreign word goes through `console`, which breaks what would be obeyed.
    """
    told = examined(tmp_path, IMAGES[image], EVERY)

    require_unobeyed(told)
    assert "OBEYED" in told.log
    assert told.code in (1, 4)
    assert set(told.files) == {"GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"}
    require_outputs(told.files["GITHUB_OUTPUT"])
    require_silent(told.files["GITHUB_STEP_SUMMARY"])
    for path in (tmp_path / "r").iterdir():
        assert obeyed(path.read_text()) == [], path.name
        assert not UNFIT.findall(path.read_text()), path.name


@pytest.mark.attack
@pytest.mark.parametrize("trick", TRICKS)
def test_an_image_speaks_runner_commands_at_the_start_of_what_it_says(trick: str, tmp_path: Path) -> None:
    """An image begins each of its words with a command, so that any line of ours that begins with one is the command.
    Lines are looked at whole, after they were put together and folded.
    """
    require_unobeyed(examined(tmp_path, SPEAKS, trick, "--verbose", COLUMNS="40"))


ENGINE = "#!{python}\nimport json, sys\ntrick = json.loads({trick!r})\n{body}\n"
"""A client of an engine's whose daemon, and the registry behind it, say what they like."""

ENGINES = {
    "it answers nothing but this": "print(trick); print(trick, file=sys.stderr); sys.exit(1)",
    "the registry refuses": "'pull' in sys.argv and (print(trick), print('Error response from daemon: ' + trick, "
    "file=sys.stderr), sys.exit(1)); print(json.dumps({'ServerVersion': trick, 'Runtimes': {trick: {}}}))",
    "it lists containers of ours": "print(json.dumps({'ID': trick, 'Names': trick, 'Labels': 'io.ci-gpu=' + trick}))",
}


@pytest.mark.attack
@pytest.mark.parametrize("command", [("run", "acme/app:1", "--engine", "docker", "--device", "cpu"), ("sweep",)])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_registry_or_an_engine_speaks_runner_commands(engine: str, command: tuple[str, ...], tmp_path: Path) -> None:
    """A registry's refusal, which the engine passes on, or the name of a container carries commands for the runner.
    They are shown in errors and in the progress of a pull, broken up.
    """
    docker = tmp_path / "docker"
    docker.write_text(ENGINE.format(python=sys.executable, trick=json.dumps(EVERY), body=ENGINES[engine]))
    docker.chmod(0o755)
    told = ci_gpu(tmp_path, *command, PATH=f"{tmp_path}:{os.environ['PATH']}")

    require_unobeyed(told)


FILES = {
    "a key of ci-gpu.toml": ("ci-gpu.toml", "[run]\n{quoted} = 1\n"),
    "a value of ci-gpu.toml": ("ci-gpu.toml", "[run]\nengine = {quoted}\n"),
    "an image of ci-gpu.toml": ("ci-gpu.toml", "[run]\nengine = 'local'\n[images.{quoted}]\n"),
    "a metric of ci-gpu.toml": ("ci-gpu.toml", "[run]\nengine = 'local'\n[metrics.{quoted}]\ngate = false\n"),
    "a file that is no TOML": ("ci-gpu.toml", "[[[{quoted}"),
    "a check that is no Python": ("c/mine.py", "def check_x(device):\n    '{raw}\n"),
    "a line of a check with a warning": ("c/mine.py", "x = '\\d ##[error]OBEYED'\n1 is 1 #[error]OBEYED\n"),
    "a docstring of a check": ("c/mine.py", "def check_x(device):\n    {quoted}\n"),
    "a name of a file of checks": ("c/##[error]OBEYED.py", ""),
}


@pytest.mark.attack
@pytest.mark.parametrize("file", FILES)
def test_a_checkout_speaks_runner_commands(file: str, tmp_path: Path) -> None:
    """A pull request's file has a name, a key, a check or a line that is a command for the runner. It is named in an
    error or a list, broken up.
    """
    name, text = FILES[file]
    quoted = json.dumps("\r\n".join((TRICKS[0], TRICKS[2], TRICKS[5])))
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text.format(quoted=quoted, raw="\n".join(TRICKS[:3])))
    folder = ("--checks-dir", "c") if name.startswith("c/") else ()

    for command in (("run", "--engine", "local", "--checks", "no-such-check"), ("checks",)):
        if folder or command[0] == "run":
            require_unobeyed(ci_gpu(tmp_path, *command, *folder))


@pytest.mark.attack
@pytest.mark.parametrize(
    "argv",
    [
        ("run", "--pairs", EVERY),
        ("run", EVERY),
        ("run", f"--{EVERY}"),
        ("run", "--engine", "local", "--config", EVERY),
        ("run", "--engine", "local", "--checks-dir", EVERY),
        ("report", EVERY, "--format", "html"),
        ("report", "run.json", "--format", EVERY),
        ("history", "list", "--store", EVERY),
        ("history", "import", EVERY),
        (EVERY,),
    ],
    ids=range(10),
)
def test_an_argument_speaks_runner_commands(argv: tuple[str, ...], tmp_path: Path) -> None:
    """A workflow hands a stranger's text (a branch, a title) to an option, and click's error and ours repeat it.
    Whatever is said is broken up, so that the runner obeys none of it.
    """
    require_unobeyed(ci_gpu(tmp_path, *(word.replace("\0", "") for word in argv)))


@pytest.mark.attack
@pytest.mark.parametrize("name", ["markdown", "html", "junit", "json", "terminal"])
def test_a_foreign_report_speaks_runner_commands_where_it_is_printed(name: str, tmp_path: Path) -> None:
    """A run.json of a stranger's is printed into the log of a job, in any format. None of it is obeyed: each format
    breaks up what would be.
    """
    examined(tmp_path, SPEAKS, EVERY)
    told = ci_gpu(tmp_path, "report", "r/run.json", "--format", name)

    require_unobeyed(told, ours=False)
    assert "OBEYED" in told.log


@pytest.mark.attack
def test_github_s_answer_speaks_runner_commands(tmp_path: Path) -> None:
    """GitHub, or whoever answers in its place, puts commands into the address of a comment and into a refusal. The
    address is an output of the step, on one line between delimiters, and the refusal is shown broken up.
    """
    examined(tmp_path, SPEAKS, EVERY)
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 7, "head": {"repo": {"full_name": "org/repo"}}}}))
    env = {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": str(event), "GITHUB_REPOSITORY": "org/repo"}

    class Hostile(Thread):
        def _comment(self, number: int, login: str, body: str) -> dict[str, object]:
            return {**super()._comment(number, login, body), "html_url": EVERY}

    thread = Hostile()
    for answer in (thread, _refused):
        with github(answer) as server:
            thread.url = server.url
            env |= {"GITHUB_API_URL": server.url, "CI_GPU_GITHUB_TOKEN": "t0ken"}
            require_unobeyed(ci_gpu(tmp_path, "comment", "r/run.json", **env))
            told = examined(tmp_path, SPEAKS, EVERY, "--comment", "auto", **env)
            require_unobeyed(told)
            require_outputs(told.files["GITHUB_OUTPUT"])
    assert thread.bodies
    for body in thread.bodies:
        require_silent(body.partition("\n")[2])


def _refused(asked: Asked) -> Answer:
    if asked.method == "GET" and asked.path != "/user":
        return Answer(200, [])
    return Answer(403, {"message": EVERY, "errors": [{"message": EVERY}]})


@pytest.mark.attack
def test_a_history_speaks_runner_commands(tmp_path: Path) -> None:
    """Whoever can write to the history, or had a run there, names metrics, images and branches by commands. Tables and
    exports in a log are broken up.
    """
    names = (
        "::error::OBEYED",
        "##[error]OBEYED #\u200b#[error]OBEYED ##\ufe0f[error]OBEYED \u202eOBEYED ::error::OBEYED",
    )
    measured = [records.measurement(metric=name, unit=name, better="lower", image=name) for name in names]
    kept = records.record(branch=names[1], measurements=tuple(measured))
    (tmp_path / "foreign.jsonl").write_bytes(document.encode(kept) + b"\n")
    require_unobeyed(ci_gpu(tmp_path, "history", "import", "foreign.jsonl"), ours=False)

    for argv in (("list",), ("show", names[0]), *(("export", "--format", name) for name in history.FORMATS)):
        require_unobeyed(ci_gpu(tmp_path, "history", *argv, COLUMNS="60"))
        told = ci_gpu(tmp_path, "history", *argv, COLUMNS="400")  # nothing is folded or cut
        require_unobeyed(told)
        assert "OBEYED" in told.log or {"bigger", "otava"} & {*argv}
