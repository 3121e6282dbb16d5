"""What a comparison concludes is computed from its blocks; and where another statement of it differs."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ci_gpu.compare.judged import NO_SAMPLES, differing, judged
from ci_gpu.model import Trial
from tests import paired


def trial(**changes: Any) -> Trial:
    """Six pairs of a metric that is 8 % slower, and of one that is the same."""
    blocks = [
        paired.block(
            arm,
            pair,
            paired.metric(1.08 + noise if arm == "head" else 1.0),
            paired.metric(2.0, name="same"),
            control=(0.01,),
        )
        for pair, noise in enumerate(paired.NOISE[:6], 1)
        for arm in ("base", "head")
    ]
    return judged(Trial(**{"base": "old", "head": "new", "blocks": tuple(blocks), **changes}))


def altered(found: Trial, **changes: Any) -> Trial:
    """With another statement of its first metric."""
    first, *others = found.metrics
    return msgspec.structs.replace(found, metrics=(msgspec.structs.replace(first, **changes), *others))


def test_it_is_what_its_blocks_prove() -> None:
    found = trial(order="BB", metrics=(), control=None, refused="no reason")

    assert [one.verdict for one in found.metrics] == ["regressed", "unchanged"]
    assert found.order == "AB" * 6
    assert found.refused == ""
    assert found.control is not None
    assert judged(found) == found


def test_without_blocks_there_is_nothing_but_why() -> None:
    stated = msgspec.structs.replace(trial(), blocks=())

    assert judged(stated) == Trial(base="old", head="new", refused=NO_SAMPLES)
    assert "no samples" in judged(stated).refused
    assert judged(msgspec.structs.replace(stated, refused="a shared GPU")).refused == "a shared GPU"
    assert differing(stated, judged(stated)) == (2, True)


def test_what_was_measured_on_two_machines_is_withdrawn_and_on_one_is_not() -> None:
    apart = trial(machines=("cpu of one", "cpu of other"))

    assert apart.refused == "measured on different machines: cpu of one and cpu of other"
    assert {one.verdict for one in apart.metrics} == {"inconclusive"}
    assert trial(machines=("cpu of one", "cpu of one")).refused == ""
    assert apart.order == ""


def test_where_the_machine_spoiled_every_block_that_is_why() -> None:
    reasons = ("the GPU throttled", *["a shared GPU"] * 11)
    spoiled = tuple(
        msgspec.structs.replace(each, invalid=reason) for each, reason in zip(trial().blocks, reasons, strict=True)
    )

    assert judged(msgspec.structs.replace(trial(), blocks=spoiled)).refused == "the GPU throttled"


def test_a_control_that_drifts_is_why() -> None:
    drifting = tuple(
        msgspec.structs.replace(each, control=(0.02 if each.arm == "head" else 0.01,)) for each in trial().blocks
    )

    assert judged(msgspec.structs.replace(trial(), blocks=drifting)).refused.startswith("control drift")


def test_the_pairs_after_the_first_look_are_counted_from_where_the_run_had_it() -> None:
    """Three pairs that are much slower, and three that are not at all."""
    blocks = paired.pairs([1.0] * 6, [1.3, 1.31, 1.29, 1.3, 1.31, 1.3])
    blocks += paired.pairs([1.0] * 6, [1.01, 1.0, 1.02, 1.01, 1.0, 1.01], first=7)
    after_six, after_twelve = (
        judged(Trial(base="old", head="new", blocks=tuple(blocks), first=first)).metrics[0].reason for first in (6, 12)
    )

    assert "not confirmed: " in after_six
    assert "not confirmed: " not in after_twelve


@pytest.mark.parametrize(
    "changes",
    [
        {"verdict": "unchanged"},
        {"gated": False},
        {"exact": True},
        {"margin": 0.9},
        {"p": 0.5},
        {"p": None},
        {"change": 0.0},
        {"head": 1.0},
        {"unit": "s"},
        {"metric": "another.one/time"},
    ],
    ids=str,
)
def test_another_statement_differs(changes: dict[str, Any]) -> None:
    assert differing(altered(trial(), **changes), trial())[0] > 0


def test_the_last_digits_and_the_words_do_not_differ() -> None:
    first = trial().metrics[0]
    assert first.change is not None
    stated = altered(trial(), change=first.change * (1 + 1e-12), reason="in other words", pairs_needed=5)

    assert differing(stated, trial()) == (0, False)


def test_what_is_stated_twice_or_not_at_all_differs() -> None:
    found = trial()

    assert differing(msgspec.structs.replace(found, metrics=found.metrics[:1]), found) == (1, False)
    assert differing(msgspec.structs.replace(found, metrics=found.metrics + found.metrics[:1]), found) == (1, False)


def test_the_control_and_the_refusal_are_of_the_whole() -> None:
    found = trial()

    assert found.control is not None
    drifting = msgspec.structs.replace(found.control, verdict="inconclusive")

    assert differing(msgspec.structs.replace(found, control=None), found) == (0, True)
    assert differing(msgspec.structs.replace(found, control=drifting), found) == (0, True)
    assert differing(msgspec.structs.replace(found, refused="the machine"), found) == (0, True)
