"""How large a change must be: defaults by kind, the policy, the user's rules."""

from __future__ import annotations

import pytest

from ci_gpu.compare import margins
from ci_gpu.compare.margins import beyond_bounds, margin, rule_of
from ci_gpu.errors import ConfigError
from ci_gpu.model import MetricRule, Policy


@pytest.mark.parametrize(
    ("metric", "unit", "expected"),
    [
        ("matmul.float32/throughput_float32_4096", "TFLOP/s", 0.02),
        ("matmul.float32/time", "ms", 0.02),
        ("launch.empty/time", "us", 0.05),
        ("launch.empty/time", "µs", 0.05),
        ("launch.empty/time", "μs", 0.05),
        ("allocator.churn/time", "ms", 0.05),
        ("memory.alloc_small/rate", "1/s", 0.05),
        ("matmul.cold_call/cold_call", "ms", 0.10),
        ("startup.import/seconds", "s", 0.10),
        ("torch.start-up/seconds", "s", 0.10),
        ("torch.start_up/seconds", "s", 0.10),
        ("inductor.compile/seconds", "s", 0.10),
        ("matmul.cold_call/cold_call", "us", 0.10),  # the larger one, where both fit
        ("copy.device/rate_l2_cold", "GB/s", 0.02),  # a policy of the cache, not of the process
        ("copy.device/rate_cold_l2", "GB/s", 0.02),
        ("norm.important/time", "ms", 0.02),
        ("sort.scolding/time", "ms", 0.02),
    ],
)
def test_the_default_goes_by_what_is_measured(metric: str, unit: str, expected: float) -> None:
    assert margin(metric, unit, Policy()) == expected


@pytest.mark.parametrize("unit", ["B", "bytes", "kB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "TiB"])
def test_a_size_has_the_general_one_because_workspaces_change(unit: str) -> None:
    assert margin("allocator.peak/size", unit, Policy(), exact=True) == 0.02
    assert margin("allocator.peak/size", unit, Policy(min_effect=0.05), exact=True) == 0.05


def test_a_min_effect_of_nothing_may_be_meant() -> None:
    assert margin("matmul.float32/time", "ms", Policy(min_effect=0.0)) == 0.0


def test_the_size_of_an_image_is_advice_unless_a_rule_names_it() -> None:
    assert rule_of("image.size/bytes", Policy()) == MetricRule(gate=False)
    assert rule_of("image.size/bytes", Policy(rules=(("image.*", MetricRule()),))) == MetricRule()


def test_a_count_has_none() -> None:
    assert margin("compile.graph/breaks", "1", Policy(min_effect=0.05), exact=True) == 0.0


def test_the_policy_replaces_the_general_default_alone() -> None:
    policy = Policy(min_effect=0.01)

    assert margin("matmul.float32/time", "ms", policy) == 0.01
    assert margin("launch.empty/time", "us", policy) == 0.05
    assert margin("startup.import/seconds", "s", policy) == 0.10


@pytest.mark.parametrize("exact", [False, True])
def test_a_rule_outranks_everything(exact: bool) -> None:
    policy = Policy(min_effect=0.01, rules=(("startup.*", MetricRule(min_effect=0.3)),))

    assert margin("startup.import/seconds", "s", policy, exact=exact) == 0.3


def test_the_first_rule_that_fits_wins() -> None:
    rules = (("a.one/*", MetricRule(gate=False)), ("a.*", MetricRule(min_effect=0.5)), ("*", MetricRule(floor=1.0)))

    assert rule_of("a.one/x", Policy(rules=rules)) == rules[0][1]
    assert rule_of("a.two/x", Policy(rules=rules)) == rules[1][1]
    assert rule_of("b.one/x", Policy(rules=rules)) == rules[2][1]
    assert rule_of("b.one/x", Policy()) == MetricRule()


def test_a_rule_without_a_min_effect_leaves_the_default() -> None:
    assert margin("a.one/x", "ms", Policy(min_effect=0.04, rules=(("a.*", MetricRule(gate=False)),))) == 0.04


@pytest.mark.parametrize("bad", [-0.01, 1.0, 2.0, float("nan"), float("inf")])
@pytest.mark.parametrize("ruled", [False, True])
def test_a_min_effect_that_is_no_fraction_is_the_users_mistake(bad: float, ruled: bool) -> None:
    policy = Policy(rules=(("*", MetricRule(min_effect=bad)),)) if ruled else Policy(min_effect=bad)

    with pytest.raises(ConfigError, match="min-effect") as raised:
        margin("matmul.float32/time", "ms", policy)
    assert "0.02 is 2 %" in raised.value.why
    assert (raised.value.kind, raised.value.remedy) == ("bad-min-effect", "give a number from 0 to below 1")


@pytest.mark.parametrize(
    ("head", "broken"),
    [(9.99, "below the floor of 10 ms"), (10.0, ""), (20.0, ""), (20.1, "above the ceiling of 20 ms")],
)
def test_a_bound_is_broken_beyond_it_and_not_at_it(head: float, broken: str) -> None:
    rule = MetricRule(floor=10.0, ceiling=20.0, unit="ms")

    assert beyond_bounds("a.one/x", "ms", head, rule).endswith(broken)
    assert bool(beyond_bounds("a.one/x", "ms", head, rule)) == bool(broken)


@pytest.mark.parametrize(("unit", "told"), [("", "no unit"), ("s", "in s,")])
def test_a_bound_needs_the_metrics_own_unit(unit: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as raised:
        beyond_bounds("a.one/x", "ms", 1.0, MetricRule(floor=0.5, unit=unit))
    assert (
        raised.value.remedy
        == 'write floor = "NUMBER ms", and ceiling alike; or let the pattern cover metrics of one unit alone'
    )
    assert "would silently mean something else" in raised.value.why
    assert raised.value.kind == "unit-mismatch"


def test_a_rule_without_bounds_needs_no_unit() -> None:
    assert beyond_bounds("a.one/x", "ms", 1.0, MetricRule()) == ""


ID = "a.b/time"


def both(rule: MetricRule, by: MetricRule) -> MetricRule:
    return rule_of(ID, Policy(rules=((ID, rule),), tightened=((ID, by),)))


def test_of_two_rules_that_gate_the_stricter_bounds_hold() -> None:
    rule, by = MetricRule(floor=1.0, ceiling=9.0, unit="ms"), MetricRule(floor=2.0, ceiling=8.0, unit="ms")

    assert both(rule, by) == both(by, rule) == MetricRule(floor=2.0, ceiling=8.0, unit="ms")
    assert both(MetricRule(floor=1.0, unit="ms"), MetricRule(ceiling=8.0)) == MetricRule(
        floor=1.0, ceiling=8.0, unit="ms"
    )
    assert both(MetricRule(), MetricRule(floor=2.0, unit="ms")) == MetricRule(floor=2.0, unit="ms")
    assert both(MetricRule(), MetricRule()) == MetricRule()


def test_a_rule_that_gates_adds_its_bounds_to_one_that_does_not_and_none_the_other_way_round() -> None:
    gating, advice = MetricRule(floor=1.0, unit="ms"), MetricRule(floor=2.0, unit="ms", gate=False)

    assert both(gating, advice) == both(advice, gating) == gating


def test_bounds_in_two_units_are_not_comparable_and_the_rule_s_hold() -> None:
    rule = MetricRule(floor=1.0, unit="ms")

    assert both(rule, MetricRule(floor=2.0, unit="s")) == rule


def test_of_two_rules_that_gate_the_smaller_change_matters_and_of_two_that_do_not_the_first_s() -> None:
    for gates, expected in (((True, True), 0.01), ((True, False), 0.03), ((False, True), 0.01), ((False, False), 0.03)):
        rule, by = (MetricRule(min_effect=size, gate=gate) for size, gate in zip((0.03, 0.01), gates, strict=True))
        policy = Policy(rules=((ID, rule),), tightened=((ID, by),))

        assert margin(ID, "ms", policy) == expected, gates


@pytest.mark.attack
def test_a_metric_is_held_against_the_patterns_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pull request's run.json has 10,000 metrics and 500 patterns, each slow to match.

    Each metric is asked for its rule several times, and a report would take six minutes: it is matched once, and what
    stands behind the stars of all patterns is bounded.
    """
    tried: list[str] = []
    monkeypatch.setattr(margins, "fnmatchcase", lambda metric, pattern: bool(tried.append(pattern)))
    asked = Policy(rules=(("once.*", MetricRule()),), tightened=(("twice.*", MetricRule()),))
    for _ in range(3):
        margin("suite.held/once", "ms", asked)
        rule_of("suite.held/once", asked)

    assert tried == ["once.*", "twice.*"]
    assert margins.searched(["a", "a*", "a*b*c", "*[a-z]"]) == 8
