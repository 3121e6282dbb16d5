"""ci_gpu.payload.evidence: a mistake of a check's author is told with its file and line, not as the image's."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest

from ci_gpu.payload import perform
from ci_gpu.payload.wire import CheckResult, Finished, frame
from ci_gpu.transcript import Transcript
from tests.needs import module

module("torch")

PACKAGE = "user_checks_of_a_test"
HEAD = (
    "from ci_gpu.payload import Fact, Fail, Metric, Note, Skip, needs_gpu\nfrom ci_gpu.payload.every_gpu import *\n\n"
)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What becomes of a check in a file of a user's, as it arrives outside: the whole way but for the processes."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    folder = tmp_path / PACKAGE
    folder.mkdir()
    (folder / "__init__.py").write_text("")

    def make(body: str, head: str = HEAD) -> CheckResult:
        (folder / "mine.py").write_text(head + body)
        for name in (PACKAGE, f"{PACKAGE}.mine"):
            sys.modules.pop(name, None)
        found = perform.check("mine.it", f"{PACKAGE}.mine", "cpu")
        fields = msgspec.json.decode(perform.to_json(found), type=CheckResult)
        heard = Transcript("n ", ("mine.it",))
        heard.open_check = "mine.it"
        heard.hear("stdout", frame("n ", Finished(fields)).strip())
        return heard.results["mine.it"]

    yield make
    for name in (PACKAGE, f"{PACKAGE}.mine"):
        sys.modules.pop(name, None)


MISUSES = {
    "a tensor in a fact": (
        "import torch; yield Fact('x', torch.ones(1))",
        "the value of the fact 'x' is a Tensor",
    ),
    "a name that is none": ("yield Fact(3, 1)", "the name of a fact is an int"),
    "an expectation that is none": ("yield Fact('x', 1, 1)", "expected of the fact 'x' is an int"),
    "a number without end": ("yield Fact('x', 10 ** 5000)", "more than 64 bits"),
    "a number in a note": ("yield Note(3)", "the text of a note is an int"),
    "a tensor of samples": (
        "import torch; yield Metric('m', 's', 'lower', torch.ones(3))",
        "a Tensor, not a tuple",
    ),
    "a tensor as a sample": (
        "import torch; yield Metric('m', 's', 'lower', (torch.ones(1),))",
        "a sample of the metric 'm'",
    ),
    "a sample that is text": ("yield Metric('m', 's', 'lower', ('1',))", "a sample of the metric 'm' is a text of 1"),
    "a bool as a sample": (
        "yield Metric('m', 's', 'lower', (True,))",
        "a sample of the metric 'm' is a bool",
    ),
    "a sample without end": ("yield Metric('m', 's', 'lower', (10 ** 400,))", "larger than any float"),
    "a number for samples": ("yield Metric('m', 's', 'lower', 1.0)", "samples of the metric 'm' is a float"),
    "a unit that is none": ("yield Metric('m', None, 'lower', (1.0,))", "needs a unit"),
    "a direction that is none": ("yield Metric('m', 's', 'down', (1.0,))", 'better="higher" or "lower"'),
    "a limit that is text": ("yield Metric('m', 's', 'lower', (1.0,), '3')", "the limit of the metric 'm' is a text"),
    "a version that is text": (
        "yield Metric('m', 's', 'lower', (1.0,), None, '3')",
        "a version that is no whole number",
    ),
    "no samples": ("yield Metric('m', 's', 'lower', ())", "has 0 samples"),
    "a string": ("yield 'fine'", "a check yields, or returns a list of, Fact, Metric and Note"),
    "two metrics of a name": ("yield from [Metric('m', 's', 'lower', (1.0,))] * 2", "was yielded twice"),
}


@pytest.mark.parametrize("mistake", MISUSES)
def test_evidence_that_cannot_cross_the_border_is_told_with_its_line(mistake: str, made) -> None:
    body, said = MISUSES[mistake]
    found = made(f"def check_it(device):\n    yield Fact('first', 1)\n    {body}\n")

    assert (found.outcome, found.kind) == ("error", "bad-check")
    assert found.message.startswith("mine.py:6: ")
    assert said in found.message
    assert found.facts[0].name == "first"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("async def check_it(device):\n    pass", "the check is async"),
        ("async def check_it(device):\n    yield Fact('x', 1)", "the check is async"),
        ("def check_it(device):\n    return True", "this one returned a bool"),
        ("def check_it(device):\n    return 'fine'", "this one returned a text"),
        ("def check_it(device):\n    return Fact('x', 1)", "this one returned a Fact"),
        ("def check_it(device):\n    return [Fact('x', [])]", "the value of the fact 'x' is a list"),
    ],
)
def test_what_a_check_returns_is_told_with_the_line_of_the_check(body: str, said: str, made) -> None:
    found = made(body)

    assert (found.outcome, found.kind) == ("error", "bad-check")
    assert found.message.startswith("mine.py:4: ")
    assert said in found.message


def test_a_check_that_yields_nothing_is_named(made) -> None:
    found = made("@needs_gpu\ndef check_it(device): ...".replace("@needs_gpu\n", ""))

    assert (found.outcome, found.kind) == ("error", "no-evidence")
    assert found.message.startswith("mine.py:4: the check ended without a fact or a metric")


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("\nimport no_such_module\n", "mine.py:2: ModuleNotFoundError: No module named 'no_such_module'"),
        ("\n\n1 / 0\n", "mine.py:3: ZeroDivisionError: division by zero"),
        ("\n\n\nx = (\n", "mine.py:4: "),
    ],
)
def test_a_file_that_cannot_be_imported_is_named_with_its_line(head: str, said: str, made) -> None:
    found = made("def check_it(device): ...\n" if "(" not in head else "", head)

    assert found.outcome == "error"
    assert found.message.startswith(said)
    assert "while the file of the check was imported" in found.hint


def test_an_exception_is_told_with_the_last_line_of_the_user_s_own(made) -> None:
    found = made("def check_it(device):\n    import json\n    yield Fact('x', 1)\n    json.loads('{')\n")

    assert found.message.startswith("mine.py:7: json.decoder.JSONDecodeError: ")


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        ("Fail(ValueError('3 is not 4'))", "ValueError: 3 is not 4"),
        ("Fail(AssertionError())", "AssertionError"),
        ("Fail(3, hint=None)", "3"),
        ("Fail('wrong', cause=[])", "wrong"),
        ("Fail('wrong', facts=[Fact('x', object), 'y', Fact(3, 10 ** 5000)])", "wrong"),
        ("Mine('by hand')", "by hand"),
        ("Mine()", "no reason was given"),
    ],
)
def test_a_failure_stays_one_whatever_it_was_given(raised: str, message: str, made) -> None:
    own = "class Mine(Fail):\n    def __init__(self, *words): self.args = words\n"
    found = made(f"{own}def check_it(device):\n    raise {raised}\n")

    assert (found.outcome, found.kind, found.message) == ("failed", "wrong", message)


@pytest.mark.parametrize("raised", ["Skip(ValueError('no'))", "Skip()", "Skip(3)"])
def test_a_skip_stays_one(raised: str, made) -> None:
    assert made(f"def check_it(device):\n    raise {raised}\n").outcome == "skipped"


def test_what_is_almost_right_is_taken(made) -> None:
    found = made(
        "import enum\nclass E(enum.IntEnum):\n    A = 1\nclass F(float): ...\nclass S(str): ...\n"
        "def check_it(device):\n    yield Fact(S('x'), E.A, S('y'))\n    yield Fact('f', F(2))\n"
        "    yield Metric('m', 's', 'lower', [1, 2.5, None, F(3), float('nan')], limit=4)\n    yield Note('n' * 9000)\n"
    )

    assert found.outcome == "passed", found.message
    assert found.metrics[0].samples == (1.0, 2.5, None, 3.0, None)
    assert len(found.notes[0]) == 4000
