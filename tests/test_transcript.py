"""What comes out of an image is believed only as far as it was asked for."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_gpu.errors import ImageError
from ci_gpu.payload.wire import (
    PROTOCOL,
    Bye,
    CheckResult,
    Environment,
    Event,
    Finished,
    GpuState,
    Hello,
    Metric,
    Started,
    Telemetry,
    Unusable,
    Watched,
    encode,
)
from ci_gpu.transcript import Transcript

NONCE = "ci-gpu-0123 "
HELLO = Hello(PROTOCOL, "3.11.7", "/usr/bin/python3")
ENVIRONMENT = Environment("3.11.7", "x86_64", "2.9.0+cu128")


def hear(*events: Event, promised: tuple[str, ...] = ("a.one", "a.two"), watched: bool = False) -> Transcript:
    transcript = Transcript(NONCE, promised, watched)
    for event in events:
        transcript.hear("stdout", NONCE + encode(event))
    return transcript


def finished(check: str, **fields: Any) -> Finished:
    return Finished(CheckResult(check, **{"outcome": "passed", **fields}))


def test_a_whole_conversation_is_folded() -> None:
    transcript = hear(
        HELLO, ENVIRONMENT, Started("a.one"), finished("a.one"), Started("a.two"), finished("a.two"), Bye(2)
    )

    assert transcript.bye
    assert transcript.environment == ENVIRONMENT
    assert list(transcript.results) == ["a.one", "a.two"]
    assert transcript.remaining == ()


@pytest.mark.parametrize(
    "events",
    [
        (HELLO, HELLO),
        (HELLO, ENVIRONMENT, ENVIRONMENT),
        (Hello(99, "3.11", ""),),
        (Started("a.three"),),
        (Started("a.one"), Started("a.two")),
        (finished("a.one"),),
        (Started("a.one"), finished("a.two")),
        (Started("a.one"), finished("a.one"), Started("a.one")),
        (Bye(0),),
        (Started("a.one"), finished("a.one", outcome="splendid")),
        (Started("a.one"), finished("a.one", seconds=-1.0)),
        (Started("a.one"), finished("a.one", outcome="error", cause="bogus")),
        (Started("a.one"), finished("a.one", metrics=(Metric("x", "s", "lower", (1.0,)),) * 2)),
        (Watched(()),),
        (Unusable("gpu-hook-failed", "a kind of the engine's, after which GPUs would be handed over in another way"),),
    ],
)
def test_what_was_not_asked_for_is_damage(events: tuple[Event, ...]) -> None:
    with pytest.raises(ImageError) as caught:
        hear(*events)

    assert (caught.value.kind, caught.value.exit_code) == ("damaged-events", 4)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"event": "hello"}',
        '{"event": "unheard-of"}',
        '{"no": "event"}',
        '{"event": "finished", "result": {"check": "a.one", "outcome": 7}}',
        '{"event": "started", "check": "../../etc"}',
        '{"event": ["finished"]}',
        "[" * 100_000,
        json.dumps({"event": "unusable", "reason": "x", "message": "y" * 300_000}),
    ],
)
def test_what_is_no_event_is_damage(text: str) -> None:
    with pytest.raises(ImageError) as caught:
        hear_text(text)

    assert caught.value.kind == "damaged-events"


WATCHED = Telemetry("GPU-1", (GpuState(0.0, 1980),), ("idle",), {"thermal": 5}, 0)


def test_what_the_image_saw_of_its_gpus_is_taken_once_and_at_the_end() -> None:
    transcript = hear(HELLO, ENVIRONMENT, Watched((WATCHED,)), Bye(0), promised=(), watched=True)

    assert transcript.telemetry == (replace(WATCHED, inside=True),)  # whatever the image says of where it stands
    with pytest.raises(ImageError):
        hear(Watched((WATCHED,)), Watched((WATCHED,)), promised=(), watched=True)
    with pytest.raises(ImageError, match="nobody asked for"):
        hear(Watched((WATCHED,)), promised=())


@pytest.mark.parametrize(
    "changes",
    [
        {"gpu": "GPU-1\n::error::"},
        {"gpu": "GPU-" + "1" * 1000},
        {"throttle": ("<b>hot</b>",)},
        {"violations": {"::error::": 1}},
        {"violations": {"thermal": -1}},
        {"states": (GpuState(0.0, sm_mhz=-1),)},
        {"states": (GpuState(0.0, power=1e300),)},
        {"ecc_errors": -1},
    ],
)
def test_a_gpu_that_did_what_no_gpu_can_do_is_damage(changes: dict[str, Any]) -> None:
    with pytest.raises(ImageError):
        hear(Watched((replace(WATCHED, **changes),)), promised=(), watched=True)


@given(st.text())
def test_no_text_whatever_gets_past_as_anything_but_damage(text: str) -> None:
    with pytest.raises(ImageError):
        hear_text(text)


@given(st.text().filter(lambda text: not text.startswith(NONCE)))
def test_a_line_without_the_nonce_is_the_image_s_own(text: str) -> None:
    transcript = Transcript(NONCE, ("a.one",))

    assert transcript.hear("stdout", text) is None
    assert transcript.hear("stderr", NONCE + encode(HELLO)) is None
    assert transcript.hello is None


def test_the_log_keeps_its_tail() -> None:
    transcript = Transcript(NONCE, ())
    for number in range(20_000):
        transcript.hear("stderr", f"line {number}")

    assert transcript.log.endswith("line 19999")
    assert len(transcript.log) <= 64 << 10
    assert "line 0\n" not in transcript.log


def test_an_open_check_bears_the_death_of_its_container() -> None:
    transcript = hear(Started("a.one"))
    transcript.give_up_open_check("it died", "container-died")

    assert transcript.results["a.one"].outcome == "error"
    assert transcript.remaining == ("a.two",)


def hear_text(text: str) -> None:
    Transcript(NONCE, ("a.one",)).hear("stdout", NONCE + text)
