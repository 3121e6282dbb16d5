"""What failed in the containers of a comparison is counted by its way, and what it leaves proves nothing good."""

from __future__ import annotations

from typing import Any

import pytest

from ci_gpu.compare import compare
from ci_gpu.compare.failures import blamed, failed, lost, on_a_broken_gpu, tells_of_failure, unanswered
from ci_gpu.model import Block, Failure, Policy
from ci_gpu.payload.wire import CheckResult
from tests import paired

CHECK = "suite.one"
SILENT = Failure(kind="torch-broken", exit_code=4, what="import torch ended")
RUNNER = Failure(kind="no-space", exit_code=3, what="the disk is full")


def bad(arm: str, pair: int, outcome: str = "failed", message: str = "off by 3 %", **fields: Any) -> Block:
    in_block = {name: fields.pop(name) for name in ("invalid", "spoiled", "failure") if name in fields}
    return Block(pair=pair, arm=arm, results=(CheckResult(CHECK, outcome, message=message, **fields),), **in_block)


def good(arm: str, pair: int, **fields: Any) -> Block:
    return paired.block(arm, pair, paired.metric(1.0), **fields)


def told(*blocks: Block) -> list[str]:
    return [one.told for one in failed(blocks)]


def test_nothing_failed() -> None:
    blocks = [*paired.noisy(6), good("head", 7, outcome="skipped")]

    assert failed(blocks) == unanswered(blocks) == ()
    assert not any(map(tells_of_failure, blocks))
    assert lost(paired.noisy(6)) == {}


def test_one_way_is_one_however_often_and_whatever_its_words() -> None:
    blocks = [bad("head", 1, message="off by 3 %"), bad("head", 2, message="off by 4 %"), good("head", 3)]
    (one,) = failed(blocks)

    assert (one.arm, one.result.message, one.times, one.containers) == ("head", "off by 3 %", 2, 3)
    assert one.told == "failed in 2 of 3 containers of the head"


@pytest.mark.parametrize(
    "other", [{"outcome": "error"}, {"kind": "timeout"}, {"cause": "illegal-access"}], ids=["outcome", "kind", "cause"]
)
def test_two_ways_are_two(other: dict[str, str]) -> None:
    assert [one.times for one in failed([bad("head", 1), bad("head", 2), bad("head", 3, **other)])] == [2, 1]


def test_the_arms_are_told_apart_and_the_head_is_first() -> None:
    assert told(bad("base", 1), bad("head", 1), good("base", 2)) == [
        "failed in 1 of 1 container of the head",
        "failed in 1 of 2 containers of the base",
    ]


def test_an_outcome_that_is_none_of_ours_is_no_pass() -> None:
    assert told(bad("head", 1, "zzz"), good("head", 2)) == ["had an error in 1 of 2 containers of the head"]


def test_only_containers_that_made_the_check_are_counted() -> None:
    other = Block(pair=2, arm="head", results=(CheckResult("suite.two", "passed"),))

    assert told(bad("head", 1), other, good("head", 3)) == ["failed in 1 of 2 containers of the head"]


def test_what_the_machine_spoiled_is_excused_and_counted_apart() -> None:
    spoiled = bad("head", 1, invalid="the GPU throttled", spoiled=True)

    assert told(spoiled, bad("head", 2), good("head", 3)) == [
        "failed in 1 container of the head that the machine spoiled (the GPU throttled)",
        "failed in 1 of 2 containers of the head",
    ]


def test_a_block_that_counts_for_nothing_because_of_the_other_one_of_its_pair_excuses_nothing() -> None:
    """Its pair was measured again, and would hide it."""
    assert told(bad("head", 1, invalid="the base gave no answer: torch-broken"), good("head", 1)) == [
        "failed in 1 of 2 containers of the head"
    ]


@pytest.mark.parametrize(
    ("results", "excused"),
    [
        ([("ecc-uncorrectable", False)], [True]),
        ([("ecc-uncorrectable", False), ("", True)], [True, True]),
        ([("ecc-uncorrectable", False), ("", False)], [True, False]),
        ([("gpu-busy", False), ("", True)], [True, False]),
        ([("no-kernel-image", True)], [False]),
    ],
    ids=["the runner's", "on the same broken GPU", "without the GPU", "no GPU is broken", "the image's own"],
)
def test_in_a_block_of_the_runner_s_fault_each_result_is_judged_as_in_an_examination(
    results: list[tuple[str, bool]], excused: list[bool]
) -> None:
    found = tuple(
        CheckResult(f"suite.check{at}", "error", cause=cause, used_gpu=used) for at, (cause, used) in enumerate(results)
    )
    block = Block(pair=1, arm="head", results=found, invalid="a check of the head ended by the runner's fault")

    assert [bool(one.excused) for one in failed([block])] == excused


def test_a_pass_with_such_a_cause_tells_of_no_broken_gpu() -> None:
    assert not on_a_broken_gpu([CheckResult("a.b", "passed", cause="gpu-lost")])
    assert on_a_broken_gpu([CheckResult("a.b", "error", cause="gpu-lost")])
    assert blamed(CheckResult("a.b", "error", cause="illegal-access")) is None


def test_containers_without_an_answer_are_counted_by_kind() -> None:
    blocks = [
        Block(pair=1, arm="head", invalid="the head gave no answer: torch-broken", failure=SILENT),
        Block(pair=2, arm="head", invalid="the head gave no answer: torch-broken", failure=SILENT),
        Block(pair=3, arm="head", invalid="the head gave no answer: no-space", failure=RUNNER),
        good("head", 4),
        Block(pair=4, arm="base", invalid="hot", spoiled=True, failure=SILENT),
    ]

    assert [(one.told, one.excused) for one in unanswered(blocks)] == [
        ("gave no answer in 2 of 4 containers of the head", ""),
        ("gave no answer in 1 of 4 containers of the head", "the head gave no answer: no-space"),
        ("gave no answer in 1 of 1 container of the base", "hot"),
    ]
    assert [tells_of_failure(block) for block in blocks] == [True, True, True, False, True]


def test_of_containers_without_an_answer_the_first_is_told() -> None:
    last = Failure(kind="torch-broken", exit_code=4, what="another word")
    (one,) = unanswered([Block(pair=pair, arm="head", failure=each) for pair, each in enumerate((SILENT, last))])

    assert one.failure == SILENT


def test_why_a_metric_is_not_that_of_every_container_is_told_for_both_arms() -> None:
    blocks = [bad("head", 1), good("head", 2), good("base", 1), bad("base", 2, "error"), bad("head", 3, invalid="x")]

    assert lost(blocks) == {
        CHECK: "its check failed in 1 of 2 containers of the head and its check had an error in 1 of 2 containers"
        " of the base"
    }


def test_a_check_that_fails_in_another_way_each_time_is_counted_once_for_a_metric() -> None:
    blocks = [bad("head", 1, kind="wrong"), bad("head", 2, kind="timeout"), good("head", 3)]

    assert lost(blocks) == {CHECK: "its check failed in 2 of 3 containers of the head"}


def test_a_skip_counts_where_the_same_image_made_the_check_elsewhere() -> None:
    skipped = [good("head", pair, outcome="skipped") for pair in (1, 2)]

    assert lost(skipped) == lost([*skipped, good("base", 1)]) == {}
    assert lost([*skipped, good("head", 3)]) == {CHECK: "its check was skipped in 2 of 3 containers of the head"}


@pytest.mark.parametrize("arm", ["base", "head"])
@pytest.mark.parametrize("factor", [1.0, 0.5], ids=["unchanged", "improved"])
def test_a_check_that_failed_once_leaves_no_metric_that_is_well(arm: str, factor: float) -> None:
    """What is left of the containers is a choice: the one that failed may be the slow one."""
    blocks = [*paired.noisy(6, factor), bad(arm, 7), good({"base": "head", "head": "base"}[arm], 7)]
    found = paired.only(blocks)

    assert (found.verdict, found.pairs_needed) == ("inconclusive", 0)
    assert found.reason == f"its check failed in 1 of 7 containers of the {arm}"
    assert paired.only(paired.noisy(6, factor)).verdict != "inconclusive"


@pytest.mark.parametrize("arm", ["base", "head"])
def test_a_regression_that_the_others_prove_stays_one(arm: str) -> None:
    found = paired.only([*paired.noisy(12, 1.2), bad(arm, 13)])

    assert found.verdict == "regressed"
    assert found.reason.endswith(f"; its check failed in 1 of 13 containers of the {arm}")


def test_no_further_pairs_are_asked_for_where_the_check_failed() -> None:
    """They would settle the noise, and not what failed."""
    noisy = paired.noisy(6, 1.02, scale=3)
    alone, found = paired.only(noisy), paired.only([*noisy, bad("head", 7)])

    assert alone.pairs_needed > 0
    assert (found.verdict, found.pairs_needed) == ("inconclusive", 0)
    assert found.reason == f"{alone.reason}; its check failed in 1 of 7 containers of the head"


def test_a_metric_that_is_impossible_in_one_container_and_whose_check_failed_in_another_tells_both() -> None:
    found = paired.only([*paired.noisy(6), bad("head", 7), paired.block("head", 8, paired.metric(-1.0))])

    assert found.reason == (
        "it failed in 1 of 8 containers of the head and its check failed in 1 of 8 containers of the head"
    )


def test_a_metric_of_a_check_that_the_base_fails_is_not_new() -> None:
    blocks = [block for pair in (1, 2, 3) for block in (bad("base", pair), good("head", pair))]

    assert paired.only(blocks).verdict == "inconclusive"
    assert paired.only([b for b in blocks if b.arm == "head"] + [Block(pair=1, arm="base")]).verdict == "new"


def test_a_bound_of_the_user_s_holds_where_the_check_failed_elsewhere() -> None:
    found = paired.only([*paired.noisy(6), bad("base", 7)], paired.ruled(ceiling=0.5, unit="ms"))

    assert found.verdict == "regressed"


def test_other_checks_are_as_they_were() -> None:
    other = Block(pair=1, arm="head", results=(CheckResult("suite.two", "failed"),))
    (one,) = (each for each in compare([*paired.noisy(6), other], Policy()) if each.metric == paired.ID)

    assert one.verdict == "unchanged"


@pytest.mark.attack
@pytest.mark.parametrize(
    ("sample", "said"),
    [
        (None, "a sample is not a finite number"),
        (-1.0, "a sample of -1 ms is not positive"),
        (0.0, "a sample of 0 ms is not positive"),
        (2.5, "a sample of 2.5 ms is beyond the physical limit of 2"),
    ],
)
def test_a_sample_that_cannot_be_true_is_told_as_in_an_examination(sample: float | None, said: str) -> None:
    """An image measures something impossible in a container of a comparison, where only the examination was looked at.
    It fails its check there, too.
    """
    blocks = [paired.block("head", pair, paired.metric(1.0, limit=2.0)) for pair in (1, 2)]
    (one,) = failed([*blocks, paired.block("head", 3, paired.metric(1.0, sample, limit=2.0))])

    assert (one.result.check, one.result.kind, one.result.message) == (paired.ID, "impossible-metric", said)
    assert one.told == "failed in 1 of 3 containers of the head"


def test_what_the_hardware_can_just_do_is_true_and_so_is_a_count_of_zero() -> None:
    assert failed([paired.block("head", 1, paired.metric(2.0, limit=2.0))]) == ()
    assert failed([paired.block("head", 1, paired.metric(0.0, exact=True))]) == ()


def test_a_metric_without_samples_is_told() -> None:
    (one,) = failed([paired.block("head", 1, paired.metric())])

    assert one.result.message == "there are no samples"


@pytest.mark.attack
def test_a_base_beyond_what_the_hardware_can_do_makes_no_head_slow() -> None:
    """A base claims more than the hardware can do, so that an honest head would be called slower. Such a metric of the
    base is a failure, and the comparison inconclusive.
    """

    def blocks(arm: str, value: float) -> list[Block]:
        factors = [1 + noise for noise in paired.NOISE]
        return [
            paired.block(arm, pair, paired.metric(value * factor, unit="TFLOP/s", better="higher", limit=100.0))
            for pair, factor in enumerate(factors, 1)
        ]

    assert paired.only([*blocks("base", 90.0), *blocks("head", 80.0)]).verdict == "regressed"
    found = paired.only([*blocks("base", 120.0), *blocks("head", 80.0)])
    assert (found.verdict, found.reason) == ("inconclusive", "it failed in 12 of 12 containers of the base")


def test_another_metric_of_the_same_check_is_as_it_was() -> None:
    blocks = [*paired.noisy(6), paired.block("head", 7, paired.metric(-1.0, name="other"), paired.metric(1.0))]
    found = {one.metric: one.verdict for one in compare([*blocks, good("base", 7)], Policy())}

    assert found == {paired.ID: "unchanged"}
