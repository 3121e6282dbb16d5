"""What a user may say about a comparison, and what is no comparison."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from ci_gpu import policy
from ci_gpu.cli.reading import compare
from ci_gpu.config import Target, Wish, policy_of, targets, wish
from ci_gpu.errors import ConfigError
from ci_gpu.model import MetricRule, Policy
from ci_gpu.reports.json import render
from tests import samples

NEW, OLD = "pytorch/pytorch:2.9.0-cuda12.8-cudnn9-runtime", "pytorch/pytorch:2.8.0-cuda12.8-cudnn9-runtime"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def wished(*images: str, text: str = "", **given: str) -> Wish | None:
    file = Path("ci-gpu.toml")
    file.write_text(text)
    return wish(targets(images, given, file), given, file)


def run_of(text: str) -> tuple[Target, ...]:
    """The images of a plain run."""
    file = Path("ci-gpu.toml")
    file.write_text(text)
    return targets((NEW,), {}, file)


def test_without_a_baseline_nothing_is_compared() -> None:
    assert wished(NEW) is None


def test_a_baseline_is_a_reference_or_a_name_of_the_file_with_settings_of_its_own() -> None:
    by_reference = wished(NEW, baseline=OLD)
    by_name = wished(NEW, baseline="old", text=f'[images.old]\nimage = "{OLD}"\nentrypoint = "none"\n')

    assert by_reference is not None
    assert by_name is not None
    assert str(by_reference.baseline.ref) == str(by_name.baseline.ref) == f"docker.io/{OLD}"
    assert by_name.baseline.settings.entrypoint == "none"
    assert by_reference.pairs == 6
    assert by_reference.policy == Policy()


@pytest.mark.parametrize("patterns", [["*" * 201], [f"matmul.*/{number}" for number in range(251)]])
def test_more_than_is_read_back_from_a_report_is_refused(patterns: list[str]) -> None:
    with pytest.raises(ConfigError, match="longest") as caught:
        policy.policy("", "warn", {pattern: {} for pattern in patterns})
    assert (caught.value.kind, "one pattern cover several" in caught.value.remedy) == ("too-many-rules", True)

    kept = policy.policy("", "warn", {pattern[:200]: {} for pattern in patterns[:250]})
    assert len(kept.rules) == len(patterns[:250])


def test_a_file_says_what_matters() -> None:
    text = """
[run]
min-effect = "3%"
inconclusive = "fail"
pairs = 8
selftest-slowdown = 0.05
[metrics."matmul.throughput/*"]
min-effect = 0.01
floor = "600 TFLOP/s"
[metrics."image.*"]
gate = true
ceiling = "20e9 B"
"""
    found = wished(NEW, baseline=OLD, text=text)

    assert found is not None
    assert (found.pairs, found.slowdown) == (8, 0.05)
    assert found.policy == Policy(
        min_effect=0.03,
        inconclusive="fail",
        rules=(
            ("matmul.throughput/*", MetricRule(min_effect=0.01, floor=600.0, unit="TFLOP/s")),
            ("image.*", MetricRule(ceiling=20e9, unit="B")),
        ),
    )
    assert policy_of(Path("ci-gpu.toml")) == found.policy


def policy_with(pattern: str, metrics: tuple[str, ...] = (), run: str = "") -> Policy:
    Path("ci-gpu.toml").write_text(f'{run}\n[metrics."{pattern}"]\nmin-effect = "10%"\n')
    return policy_of(Path("ci-gpu.toml"), lambda: metrics)


def test_a_pattern_that_covers_nothing_is_a_mistake_for_reports_that_are_there_already() -> None:
    with pytest.raises(ConfigError, match=r"covers no metric; did you mean 'matmul\.\*'") as caught:
        policy_with("matmull.*", ("matmul.float32/x",))

    assert (caught.value.kind, caught.value.exit_code) == ("unknown-metric", 2)


def test_a_metric_of_a_report_or_a_history_may_be_of_no_check_that_is_here() -> None:
    assert policy_with("s/*", ("s/x",)).rules[0][0] == "s/*"
    with pytest.raises(ConfigError, match="covers no metric"):
        policy_with("s/*", ("t/x",))


def test_the_metrics_of_a_history_are_not_asked_for_where_every_pattern_is_of_a_check() -> None:
    Path("ci-gpu.toml").write_text('[metrics."matmul.*"]\nmin-effect = "10%"\n')

    assert policy_of(Path("ci-gpu.toml"), lambda: pytest.fail("asked")).rules


@pytest.mark.parametrize("where", ["run", "images.a"])
def test_the_user_s_own_checks_are_known_wherever_the_file_names_them(where: str) -> None:
    Path("mine").mkdir()
    Path("mine/own.py").write_text("def check_fast(device):\n    yield 1\n")
    text = f'[{where}]\nchecks-dir = "mine"\n[images.b]\nimage = "{NEW}"\n[metrics."own.fast/*"]\nmin-effect = "10%"\n'
    Path("ci-gpu.toml").write_text(text)

    assert policy_of(Path("ci-gpu.toml")).rules
    assert targets(("b",), {}, Path("ci-gpu.toml"))[0].policy.rules


@pytest.mark.parametrize(("pattern", "code"), [("matmull.*", 2), ("matmul.*", 0), ("mine.fast/rate", 0)])
def test_compare_refuses_a_pattern_of_no_check_and_no_metric_of_the_two_reports(pattern: str, code: int) -> None:
    results = (samples.check_result(check="mine.fast", metrics=(samples.metric(name="rate"),)),)
    image = samples.image_report(planned=("mine.fast",), results=results)
    Path("run.json").write_text(render(samples.summary(report=samples.run_report(images=(image,)))))
    Path("ci-gpu.toml").write_text(f'[metrics."{pattern}"]\nmin-effect = "10%"\n')

    with pytest.raises(ConfigError) if code else nullcontext() as caught:
        compare.callback(Path("run.json"), Path("run.json"), "json", Path("both.json"), Path("ci-gpu.toml"))

    assert not caught or (caught.value.exit_code, caught.value.kind) == (2, "unknown-metric")


def test_one_comparison_is_of_two_images() -> None:
    with pytest.raises(ConfigError, match="a baseline was named for 2 images"):
        wished(NEW, OLD, baseline=OLD)


def test_for_the_local_engine_an_image_is_an_interpreter() -> None:
    (head,) = targets(("/new/bin/python",), {"engine": "local"}, None)
    found = wished("local", baseline="/old/bin/python", engine="local")

    assert (head.ref, head.settings.python) == (None, "/new/bin/python")
    assert found is not None
    assert (found.baseline.name, found.baseline.settings.python) == ("/old/bin/python", "/old/bin/python")


def test_a_name_of_the_file_is_an_interpreter_only_if_it_says_which() -> None:
    text = '[images.new]\npython = "/new/bin/python"\n[images.old]\nimage = "pytorch/pytorch:2.8.0"\n[images.none]\n'
    Path("ci-gpu.toml").write_text(text)
    (head,) = targets(("new",), {"engine": "local"}, None)

    assert head.settings.python == "/new/bin/python"
    for name in ("old", "none"):
        with pytest.raises(ConfigError, match="the local engine cannot start the image"):
            targets((name,), {"engine": "local"}, None)


def test_an_image_is_nothing_that_the_local_engine_could_start() -> None:
    with pytest.raises(ConfigError, match="the local engine cannot start the image"):
        targets(("pytorch/pytorch:2.9.0",), {"engine": "local"}, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[metrics."matmul.*"]\nflor = "1 s"\n', "has an unknown key 'flor'; did you mean 'floor'"),
        ('[metrics."matmul.*"]\ngate = "no"\n', "cannot be read"),
        ('[metrics."matmul.*"]\nfloor = 600\n', "floor cannot be '600'"),
        ('[metrics."matmul.*"]\nfloor = "600TFLOP/s"\n', "floor cannot be '600TFLOP/s'"),
        ('[metrics."matmul.*"]\nfloor = "1 s"\nceiling = "2 ms"\n', "ceiling cannot be '2 ms'"),
        ('[metrics."matmul.*"]\nmin-effect = "300%"\n', "min-effect cannot be '300%'"),
        ('[metrics]\na = "b"\n', "cannot be read"),
        ('metrics = "b"\n', "are tables"),
        ('[metrcs."a.*"]\n', "unknown key 'metrcs'; did you mean 'metrics'"),
        ('[metrics."matmul.*"]\nmin-effect = 0\n', "min-effect cannot be '0'"),
        ('[metrics."matmul.*"]\nfloor = "2 s"\nceiling = "1 s"\n', "no value is between the floor of 2 s and the ceil"),
        ('[metrics."matmul.*"]\nfloor = "1e999 s"\n', "floor cannot be '1e999 s'"),
        ('[metrics."matmul.*"]\nfloor = "-1 s"\n', "floor cannot be '-1 s'"),
        ('[metrics."matmul.*"]\nceiling = "nan s"\n', "ceiling cannot be 'nan s'"),
        ('[metrics."matmull.*"]\nfloor = "1 s"\n', r"covers no metric; did you mean 'matmul\.\*'"),
        ('[metrics."matmul.throughputs/*"]\nfloor = "1 s"\n', r"no metric; did you mean 'matmul.throughput/\*'"),
        ('[metrics."matmul.throughput"]\nfloor = "1 s"\n', r"no metric; did you mean 'matmul.throughput/\*'"),
        ('[metrics."matmul"]\nfloor = "1 s"\n', r"no metric; did you mean 'matmul\.\*'"),
        ('[metrics."matmul.throughput/"]\nfloor = "1 s"\n', r"no metric; did you mean 'matmul.throughput/\*'"),
        ('[metrics."image.size"]\nceiling = "1 B"\n', r"no metric; did you mean 'image.size/\*'"),
        ('[metrics."image.size/bytes"]\nceiling = "1 B"\n', r"no metric; did you mean 'image.size/\*'"),
        ('[metrics.""]\nfloor = "1 s"\n', r'\[metrics.""\] covers no metric'),
        ("[run]\nmin-effect = 0\n", "min-effect cannot be '0.0'"),
        ("[run]\nselftest-slowdown = 2\n", "selftest-slowdown cannot be '2.0'"),
        ("[run]\npairs = 1\n", "--pairs cannot be '1'"),
        ('[run]\ninconclusive = "maybe"\n', "--inconclusive cannot be 'maybe'"),
    ],
)
@pytest.mark.parametrize("given", [{"baseline": OLD}, {}], ids=["compared", "alone"])
def test_what_cannot_be_meant_is_told_before_anything_starts(text: str, said: str, given: dict[str, str]) -> None:
    """Whether or not there is a baseline: a bound holds in every run."""
    with pytest.raises(ConfigError, match=said):
        wished(NEW, text=text, **given)


@pytest.mark.parametrize(
    "pattern",
    [
        *("*", "matmul.*", "matmul.throughput/*", "*float32*", "m?tmul.*", "image.size/size", "own.*", "[cm]*"),
        *("matmul.throughput/throughput_[bf]*", "*/throughput_*", "matmul.throughput?x", "*_l2_cold", "image.*"),
        "image.import/*",
    ],
)
def test_a_pattern_that_can_fit_a_metric_is_read(pattern: str) -> None:
    Path("checks").mkdir()
    Path("checks/own.py").write_text("def check_speed(device):\n    yield\n")

    wished(NEW, text=f'[run]\nchecks-dir = "checks"\n[metrics."{pattern}"]\ngate = false\n')


@pytest.mark.parametrize(
    ("text", "value"), [("1e-6 s", 1e-6), ("1.5E+3 MB", 1500.0), ("600 TFLOP/s", 600.0), (".5 ms", 0.5)]
)
def test_a_bound_is_any_finite_number_with_a_unit(text: str, value: float) -> None:
    (target,) = run_of(f'[metrics."*"]\nfloor = "{text}"\n')

    assert target.policy.rules[0][1].floor == value


@pytest.mark.parametrize(("text", "value"), [("3%", 0.03), ("0.03", 0.03), (".5 %", 0.005), ("0.5%", 0.005)])
def test_a_share_is_a_percentage_or_a_fraction(text: str, value: float) -> None:
    assert policy.fraction("min-effect", text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "3", "-3%", "3 percent", "nan", "1e-2", "100%"])
def test_what_is_no_share_is_told(text: str) -> None:
    with pytest.raises(ConfigError, match="min-effect cannot be") as raised:
        policy.fraction("min-effect", text)
    with pytest.raises(ConfigError, match="min-effect cannot be") as long:
        policy.fraction("min-effect", "3" * 70)
    assert long.value.what == f"min-effect cannot be '{'3' * 60}'"
    assert raised.value.why == "it is a part of a value, between 0 and 100 %"
    assert raised.value.remedy == 'write min-effect = "3%" or min-effect = 0.03'


def told(table: object, name: str = "matmul.*") -> ConfigError:
    with pytest.raises(ConfigError) as raised:
        policy.policy("", "warn", {name: table})
    return raised.value


def test_a_table_that_cannot_be_read_is_told_with_its_keys_and_an_example() -> None:
    typo, none, foreign = told({"flor": "1 s"}, "a" * 90), told("3%", "b" * 90), told({"z" * 70: 1})

    assert (typo.kind, none.kind) == ("unknown-key", "unknown-key")
    assert typo.what == f"[metrics.\"{'a' * 80}\"] has an unknown key 'flor'; did you mean 'floor'?"
    assert foreign.what == f"[metrics.\"matmul.*\"] has an unknown key '{'z' * 60}'"
    assert told({"gat": 1, "zzz": 1}).what.endswith("an unknown key 'gat'; did you mean 'gate'?")
    assert told({"flooring": 1}).what.endswith("did you mean 'floor'?")
    assert typo.why == "unknown keys are rejected, so that a typo cannot pass"
    assert typo.remedy == "the keys are: min-effect, floor, ceiling, gate"
    assert none.what == f'[metrics."{"b" * 80}"] cannot be read'
    assert none.why == "it is a table with the keys min-effect, floor, ceiling, gate, and gate is true or false"
    assert none.remedy == '[metrics."matmul.*"] on a line of its own, then min-effect = "3%" under it'


def test_a_quantity_that_cannot_be_read_is_told_with_what_it_would_be() -> None:
    error, floor = told({"ceiling": "9" * 70}), told({"floor": 600})

    assert error.what == f"ceiling cannot be '{'9' * 60}'"
    assert (
        error.why == "it is a number that is not negative, with the metric's own unit, the same for floor and ceiling"
    )
    assert (error.remedy, floor.remedy) == ('write ceiling = "600 TFLOP/s"', 'write floor = "600 TFLOP/s"')


def test_bounds_between_which_nothing_is_are_told() -> None:
    error = told({"floor": "2 s", "ceiling": "1 s"})

    assert error.what == "no value is between the floor of 2 s and the ceiling of 1 s"
    assert error.why == "the floor is above the ceiling"
    assert error.remedy.startswith("exchange the two; ")


@pytest.mark.parametrize(("text", "shown"), [("0", "0"), ("0.0%" + " " * 70, "0.0%" + " " * 56)])
def test_a_margin_of_nothing_is_told(text: str, shown: str) -> None:
    error = told({"min-effect": text})

    assert error.what == f"min-effect cannot be {shown!r}"
    assert "none can be told from noise" in error.why
    assert "exactly every change matters without a word, but for bytes" in error.why
    assert "for bytes" in error.remedy
    assert error.remedy.startswith('write the smallest change that matters, such as min-effect = "1%"')


def test_a_pattern_that_covers_no_metric_is_told_with_the_nearest_that_does() -> None:
    with pytest.raises(ConfigError) as near:
        policy.require_known(["matmull.throughput/x"], ["matmul.throughput", "cache.reuse"])
    with pytest.raises(ConfigError) as far:
        policy.require_known(["9" * 90], ["matmul.throughput"])
    with pytest.raises(ConfigError, match="covers no metric"):
        policy.require_known(["[m]*", "matmull*thr*"], ["matmul.throughput"])

    assert near.value.what == (
        "[metrics.\"matmull.throughput/x\"] covers no metric; did you mean 'matmul.throughput/*'?"
    )
    assert far.value.what == f'[metrics."{"9" * 80}"] covers no metric'
    assert near.value.why == (
        "a metric is named check/name, and the pattern has to cover all of that: the rule would be without effect"
    )
    assert near.value.remedy.startswith("ci-gpu checks lists the checks; ")
    assert near.value.kind == "unknown-metric"


def test_a_rule_may_be_for_a_check_that_another_image_of_the_file_has() -> None:
    """One file serves several jobs: a run of one image does not know the checks of the other."""
    for folder in ("one", "two"):
        Path(folder).mkdir()
        Path(folder, f"{folder}.py").write_text("def check_speed(device):\n    yield\n")
    images = "".join(f'[images.{name}]\nimage = "{NEW}"\nchecks-dir = "{name}"\n' for name in ("one", "two"))
    gone = f'[images.gone]\nimage = "{NEW}"\nchecks-dir = "gone"\n'
    Path("ci-gpu.toml").write_text(
        f'{images}{gone}[metrics."one.*"]\nceiling = "1 s"\n[metrics."two.*"]\ngate = false\n'
    )

    assert [target.name for target in targets(("one", "two"), {}, Path("ci-gpu.toml"))] == ["one", "two"]
    assert [target.name for target in targets(("two",), {}, Path("ci-gpu.toml"))] == ["two"]


def test_a_rule_with_every_key_and_one_with_none() -> None:
    every = {"min-effect": "1 %", "floor": "1.5 s", "ceiling": "1.5 s", "gate": False}
    found = policy.policy("", "fail", {"a.*": every, "b": {}})

    assert found.rules == (
        ("a.*", MetricRule(min_effect=0.01, floor=1.5, ceiling=1.5, unit="s", gate=False)),
        ("b", MetricRule()),
    )
    assert (found.min_effect, found.inconclusive) == (None, "fail")


@pytest.mark.parametrize(
    ("name", "value"), [("min-effect", "1%"), ("pairs", "4"), ("inconclusive", "fail"), ("selftest_slowdown", "5%")]
)
def test_a_setting_of_a_comparison_that_nobody_asked_for_is_a_mistake(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match="has no effect without a baseline") as caught:
        wished(NEW, **{name: value})

    assert (caught.value.exit_code, bool(caught.value.why), "--baseline" in caught.value.remedy) == (2, True, True)
    assert wished(NEW, **{name: value}, baseline=OLD)
    assert wished(NEW, text=f'[run]\nbaseline = "{OLD}"\n', **{name: value})
    assert wished(NEW, text=f'[run]\n{name.replace("_", "-")} = "{value}"\n'.replace('"4"', "4")) is None


def test_what_is_looked_for_everywhere_in_a_metrics_name_is_bounded() -> None:
    with pytest.raises(ConfigError, match="behind their first stars") as caught:
        policy.policy("", "warn", {f"*{'[a-z]' * 35}{number}": {} for number in range(100)})

    assert caught.value.kind == "too-many-rules"
    assert len(policy.policy("", "warn", {f"*/{'t' * 8}{number:03}*": {} for number in range(190)}).rules) == 190
