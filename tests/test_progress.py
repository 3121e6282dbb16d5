"""ci_gpu.progress: what is told while a run goes on."""

from __future__ import annotations

import io
import re

import msgspec
import pytest

from ci_gpu import config, progress
from ci_gpu.payload.wire import CheckResult, Finished, Started
from tests import samples


def told(*results: CheckResult) -> list[str]:
    """The lines, without their times."""
    stream = io.StringIO()
    watch = progress.Plain(stream)
    for result in results:
        watch.event(Finished(result))
    return [re.sub(r"^ *[\d.]+ s +", "", line) for line in stream.getvalue().splitlines()]


def test_why_checks_are_not_made_is_told_once_in_a_row() -> None:
    kept = samples.not_made("a.b"), samples.not_made("a.c")
    failed = samples.failed(check="a.d", seconds=1.0)

    assert told(*kept, failed, samples.not_made("a.e")) == [
        "! a.b not made, because torch was built without CUDA",
        "! a.c not made",
        "✗ a.d failed in 1.0 s: dz/dy is 30.69 and not 31",
        "! a.e not made, because torch was built without CUDA",
    ]


def test_nothing_that_an_image_or_an_engine_says_is_obeyed() -> None:
    """GitHub's runner obeys ``##[command]`` anywhere in a line."""
    said = "##[add-mask]a ::error::x"
    stream = io.StringIO()
    progress.Plain(stream).note(f"GPUs by cdi: {said}")

    for line in (*told(samples.failed(message=said)), *stream.getvalue().splitlines()):
        assert "##[" not in line
        assert not line.lstrip().startswith("::")
        assert "add-mask]a" in line


def test_a_note_is_a_line_of_its_own_on_a_terminal_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    live = progress.Live()
    live.note("GPUs by cdi: [bold]refused[/bold]; trying gpus")
    live.close()

    assert "GPUs by cdi: [bold]refused[/bold]; trying gpus" in " ".join(capsys.readouterr().err.split())


def test_two_failures_with_the_same_words_are_both_told() -> None:
    assert told(samples.failed(), samples.failed())[0] == told(samples.failed(), samples.failed())[1]


@pytest.mark.parametrize(
    ("images", "given", "sought"),
    [(("acme/app:1",), {}, "acme/app:1: looking for the image"), ((), {"engine": "local"}, "local: looking for torch")],
)
def test_an_image_is_looked_for_only_where_there_is_one(
    images: tuple[str, ...], given: dict[str, str], sought: str
) -> None:
    stream = io.StringIO()
    (target,) = config.targets(images, given, None)

    progress.Plain(stream).image(target)

    assert stream.getvalue().strip().endswith(sought)


def test_no_terminal_is_steered(capsys: pytest.CaptureFixture[str]) -> None:
    """A pipe gets no sequences of rich's own, so all that were there would be the image's."""
    said = "\x1b[2J\x1b]0;title\x07\u202e[bold]\r\nnext"
    (target,) = config.targets((), {"engine": "local"}, None)
    live = progress.Live()
    live.image(target)
    live.examining(msgspec.structs.replace(target, name=said))
    live.pulling(said)
    live.note(said)
    live.event(samples.environment(torch=said, python=said))
    live.event(Started(said))
    live.event(Finished(samples.failed(message=said)))
    live.close()

    shown = capsys.readouterr().err
    assert "\ufffd[bold] next" in shown
    assert not set(shown) & set("\x1b\x07\u202e\r")
