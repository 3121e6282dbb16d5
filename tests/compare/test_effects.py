"""One metric's change: its p-value, the levels it must pass, and what is doubted."""

from __future__ import annotations

import math

import numpy as np
import pytest
from msgspec import structs
from scipy import stats

from ci_gpu.compare.effects import ALPHA, Effect, rule
from ci_gpu.statistics import paired_t


def effect(*worsenings: float, base: tuple[float, ...] = (), first: int = 6, margin: float = 0.02) -> Effect:
    """Of these differences of logarithms; the bases are equal unless given."""
    before = base or (0.0,) * len(worsenings)
    return Effect(
        base=before,
        head=tuple(start + each for start, each in zip(before, worsenings, strict=True)),
        first=first,
        estimate=paired_t(worsenings, math.sqrt(2) * 0.001),
        larger_is_worse=True,
        margin=margin,
        gated=True,
    )


CLEAR = effect(0.03, 0.031, 0.029, 0.03, 0.032, 0.028)


@pytest.mark.parametrize(
    ("p", "final", "verdict"),
    [
        (0.0069, True, "regressed"),
        (ALPHA, True, "inconclusive"),
        (0.0071, True, "inconclusive"),
        (0.0293, False, "regressed"),
        (0.0295, False, "inconclusive"),
    ],
)
def test_each_look_has_its_level(p: float, final: bool, verdict: str) -> None:
    worse, better = rule(CLEAR, p, 1.0, 1, final=final), rule(CLEAR.turned(), 1.0, p, 1, final=final)

    assert worse[0] == verdict
    assert better[0] == {"regressed": "improved"}.get(verdict, verdict)


@pytest.mark.parametrize(("p", "provisional"), [(0.0069, False), (ALPHA, True), (0.0071, True)])
def test_an_improvement_at_the_first_look_is_provisional_unless_it_passes_the_last_level(
    p: float, provisional: bool
) -> None:
    verdict, reason, _ = rule(CLEAR.turned(), 1.0, p, 1, final=False)

    assert verdict == "improved"
    assert reason.startswith("provisional") == provisional


@pytest.mark.parametrize(("last", "stands_out"), [(0.078, False), (0.182, True)])
def test_a_process_stands_out_where_it_moves_the_mean_by_half_of_the_threshold(last: float, stands_out: bool) -> None:
    """The middle of nine equal pairs and one other is 0: the mean is a tenth of that one, 0.4 or 0.9 thresholds off."""
    one_other = effect(*[0.0] * 9, last)

    assert one_other.threshold == pytest.approx(math.log1p(0.02))
    _, reason, _ = rule(one_other, 1.0, 1.0, 1, final=True)
    assert reason.startswith("outlier process") == stands_out


def test_only_the_last_look_asks_for_confirmation() -> None:
    unconfirmed = effect(0.05, 0.051, 0.05, 0.001, 0.002, 0.003, first=3)

    assert rule(unconfirmed, 0.001, 1.0, 1, final=False)[0] == "regressed"
    assert rule(unconfirmed, 0.001, 1.0, 1, final=True)[1].startswith(
        "not confirmed: +2.65 % over all pairs, but +0.2 % "
    )


def test_estimates_that_nearly_agree_are_no_outlier_though_the_margin_lies_between_them() -> None:
    between = effect(0.0195, 0.0195, 0.0195, 0.0195, 0.0195, 0.024)

    assert between.estimate.hodges_lehmann < between.threshold < between.estimate.mean
    assert rule(between, 0.001, 1.0, 1, final=True)[0] == "regressed"


def test_estimates_that_disagree_are_no_outlier_if_both_are_beyond_the_margin() -> None:
    wild = effect(0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.3)

    assert wild.estimate.mean - wild.estimate.hodges_lehmann > wild.threshold / 2
    assert rule(wild, 0.001, 1.0, 1, final=True)[0] == "regressed"


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("pairs", [3, 6, 12])
def test_p_is_twice_the_smaller_of_both_ts(seed: int, pairs: int) -> None:
    rng = np.random.default_rng(seed)
    base, head = rng.normal(0, 0.01, pairs), rng.normal(0.3, 0.01, pairs)
    measured = effect(*(head - base).tolist(), base=tuple(base.tolist()))
    paired = stats.ttest_rel(head, base, alternative="greater").pvalue
    welch = stats.ttest_ind(head, base, equal_var=False, alternative="greater").pvalue

    assert paired < 0.025
    assert measured.p == pytest.approx(2 * min(paired, welch), rel=1e-9)


def test_welchs_t_cannot_prove_what_the_paired_one_denies() -> None:
    base = (0.03, -0.03, 0.03, -0.03, 0.03, -0.03)
    measured = effect(*(0.06 - 2 * each for each in base), base=base)
    paired = float(stats.ttest_1samp(measured.worsenings, 0, alternative="greater").pvalue)
    welch = float(stats.ttest_ind(measured.head, measured.base, equal_var=False, alternative="greater").pvalue)

    assert 2 * welch < 0.025 < paired
    assert measured.p == pytest.approx(paired)


def test_turning_swaps_the_arms_altogether() -> None:
    turned = CLEAR.turned()

    assert turned.worsenings == tuple(-each for each in CLEAR.worsenings)
    assert (turned.base, turned.head) == (CLEAR.head, CLEAR.base)
    assert turned.p == pytest.approx(1.0)
    assert turned.turned() == CLEAR


def test_pairs_needed_grow_with_the_family_and_are_more_than_there_are() -> None:
    noisy = effect(0.05, -0.04, 0.03, -0.02, 0.04, -0.05)
    alone, crowd = (rule(noisy, 1.0, 1.0, family, final=True)[2] for family in (1, 20))

    assert 6 < alone < crowd


def test_pairs_needed_are_more_than_there_are_where_noise_is_not_the_trouble() -> None:
    assert rule(CLEAR, 0.05, 1.0, 1, final=True)[::2] == ("inconclusive", 7)


@pytest.mark.parametrize(("pairs", "doubted"), [(8, False), (9, True)])
def test_a_change_that_rests_on_a_few_pairs_is_doubted_where_signs_can_be_counted(pairs: int, doubted: bool) -> None:
    """With fewer pairs not even unanimous signs are rare enough."""
    against = math.ceil(math.log2(ALPHA * 2**pairs))  # so many small ones make as many sums as the level has
    few = effect(*([-0.001] * against), *([0.06] * (pairs - against)))

    verdict, reason, _ = rule(few, 0.001, 1.0, 1, final=True)
    assert verdict == ("inconclusive" if doubted else "regressed")
    assert ("rests on a few of the pairs" in reason) is doubted


def test_no_change_at_all_is_none_even_where_every_change_counts() -> None:
    assert rule(effect(*[0.0] * 6, margin=0.0), 0.001, 0.001, 1, final=True)[0] not in ("regressed", "improved")
    assert rule(effect(*[1.0] * 6), 0.001, 1.0, 1, final=True)[0] == "regressed"


def test_the_words_of_a_change_and_of_noise_carry_their_numbers() -> None:
    seen = effect(0.03, 0.031, 0.029, 0.03, 0.032, 0.028, 0.03, 0.03)
    noisy = effect(0.05, -0.04, 0.03, -0.02, 0.04, -0.05)
    low, high = (100 * math.expm1(end) for end in noisy.estimate.interval(0.95))

    assert rule(seen, 0.001, 1.0, 1, final=True)[1] == "+3.05 % worse in 8 pairs (margin 2 %, p 0.001)"
    assert rule(CLEAR, 0.001, 1.0, 1, final=True)[1].endswith("p 0.001), not confirmed by further pairs")
    assert rule(noisy, 1.0, 1.0, 1, final=True)[1] == (
        f"noise: the change is between {low:+.2g} % and {high:+.2g} % after 6 pairs, the margin is 2 %"
    )


def test_an_effect_is_frozen_and_its_arms_are_of_one_length() -> None:
    with pytest.raises(AttributeError):
        CLEAR.margin = 0.5
    with pytest.raises(ValueError, match="zip"):
        assert structs.replace(CLEAR, head=CLEAR.head[1:]).worsenings


@pytest.mark.parametrize("mean", [CLEAR.threshold, 0.1])
def test_a_change_of_just_the_margin_is_one(mean: float) -> None:
    """By its mean and by its middle; a mean far above a middle that is itself enough is no outlier."""
    estimate = structs.replace(CLEAR.estimate, mean=mean, hodges_lehmann=CLEAR.threshold)

    assert rule(structs.replace(CLEAR, estimate=estimate), 0.001, 1.0, 1, final=True)[0] == "regressed"
