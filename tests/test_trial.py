"""Two arms measured in turn over the true wire, by the local engine; how fast they are is what their variables say.

torch is a stand-in of a few lines here: what is tested is the order, the repeats and the judgement, not the sums.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec
import pytest

from ci_gpu import catalogue, engines, guest, telemetry, trial, verdict
from ci_gpu.compare import spoiling
from ci_gpu.job import Job
from ci_gpu.model import Host, ImageReport, MetricRule, Policy, PulledImage, RunReport, Trial, Verdict
from ci_gpu.payload.wire import CheckResult, Environment, Event, Gpu, Metric
from ci_gpu.reports import _trial as words
from tests.needs import program

TORCH = """
import os
mark = os.environ.get("BREAKS_AFTER_THE_FIRST")
if mark:
    if os.path.exists(mark):
        raise ImportError("words of the image's own")
    open(mark, "w").close()
starts = os.environ.get("STARTS")
if starts:
    with open(starts, "a") as kept:
        kept.write("*")
    if str(os.path.getsize(starts)) == os.environ["BREAKS_AT"]:
        raise ImportError("words of the image's own")
__version__ = "2.0"
class version: cuda = None
class cuda:
    is_initialized = is_available = staticmethod(lambda: False)
if os.environ.get("HAS_A_GPU"):
    class version: cuda = "12.8"
    class H100:
        name, uuid, major, minor, total_memory, multi_processor_count = "H100", "1", 9, 0, 80 << 30, 132
    cuda.init, cuda.device_count = staticmethod(lambda: None), staticmethod(lambda: 1)
    cuda.get_device_properties = staticmethod(lambda index: H100)
manual_seed = lambda seed: None
"""

CHECKS = '''
import os
from ci_gpu.payload import Fact, Fail, Metric

def check_speed(device):
    """A rate, and a count of bytes."""
    mark = os.environ.get("GPU_BREAKS_AFTER_THE_FIRST")
    if mark and os.path.exists(mark):
        if os.environ.get("COMPUTES_WRONG"):
            raise Fail("words of the image's own", cause="gpu-computes-wrong")
        raise RuntimeError("CUDA error: uncorrectable ECC error encountered, and words of the image's own")
    if mark:
        open(mark, "w").close()
    rate = float(os.environ["RATE"])
    if rate:
        yield Metric("rate", "m/s", "higher", tuple(rate * (1 + share / 1000) for share in range(5)))
    yield Metric("bytes", "B", "lower", (float(os.environ["BYTES"]),), exact=True)

def check_steady(device):
    """A time that is the same in both arms."""
    yield Metric("time", "ms", "lower", (1.0, 1.01, 1.02))

def check_fact(device):
    """Nothing to measure."""
    yield Fact("one", 1)
'''


class Recorder:
    """Remembers the blocks."""

    def __init__(self) -> None:
        self.blocks: list[tuple[int, int, str]] = []

    def block(self, pair: int, pairs: int, arm: str) -> None:
        self.blocks.append((pair, pairs, arm))

    def event(self, event: Event) -> None:
        pass

    def log(self, line: str) -> None:
        pass

    def note(self, text: str) -> None:
        pass


def visit(torch: Path, device: str = "cpu", **variables: str) -> guest.Visit:
    variables |= {"HAS_A_GPU": "1"} if device == "cuda" else {}
    return guest.Visit(
        engine=engines.load("local"),
        job=Job(image="", name="", labels=(), environment=(("PYTHONPATH", str(torch)), *variables.items())),
        run="test",
        device=device,
        checks=catalogue.read({"speed": CHECKS}),
        timeout=30,
        user_sources={"speed": CHECKS},
    )


def examined(name: str, visited: guest.Visit) -> ImageReport:
    answers = guest.examine(visited, Recorder())
    return ImageReport(
        name=name,
        planned=tuple(check.id for check in visited.checks),
        image=PulledImage(reference=name),
        environment=answers.environment,
        results=answers.results,
    )


@pytest.fixture
def conduct(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A whole trial of two arms, which differ in their variables, on a machine that stands still."""
    (tmp_path / "torch.py").write_text(TORCH)
    monkeypatch.setattr(trial, "_fixed_loop", lambda: 1.0)

    def conduct(
        base: dict[str, str], head: dict[str, str], device: str = "cpu", **design: object
    ) -> tuple[Trial, ImageReport, Recorder]:
        visits = [visit(tmp_path, device, **variables) for variables in (base, head)]
        reports = [examined(name, each) for name, each in zip(("base", "head"), visits, strict=True)]
        arms = trial.Arms(base=visits[0], head=visits[1], base_report=reports[0], head_report=reports[1])
        watch = Recorder()
        return trial.conduct(arms, trial.Design(**{"seed": "test", **design}), watch), reports[1], watch

    return conduct


def verdicts(found: Trial) -> dict[str, str]:
    return {one.metric: one.verdict for one in found.metrics if not one.metric.startswith("image.")}


def exit_code(found: Trial, head: ImageReport) -> int:
    return judged(found, head).exit_code


def judged(found: Trial, head: ImageReport) -> Verdict:
    report = RunReport(
        version="1", created="", device="cpu", gpus="none", engine="local", host=Host(), images=(head,), trial=found
    )
    return verdict.judge(report)


SAME = {"RATE": "100", "BYTES": "4096"}


def test_what_is_the_same_is_unchanged_after_six_pairs(conduct) -> None:
    found, head, watch = conduct(SAME, SAME)

    assert found.refused == ""
    assert verdicts(found) == {
        "speed.speed/rate": "unchanged",
        "speed.speed/bytes": "unchanged",
        "speed.steady/time": "unchanged",
    }
    assert [number for number, *_ in watch.blocks] == [pair for pair in range(1, 7) for _ in "AB"]
    assert exit_code(found, head) == 0


def test_the_arms_take_turns_in_being_first(conduct) -> None:
    found, *_ = conduct(SAME, SAME, pairs=4)

    assert {found.order[at : at + 2] for at in range(0, 8, 2)} <= {"AB", "BA"}
    assert len(found.order) == 8


def test_which_arm_is_first_is_a_seeded_draw_for_each_pair() -> None:
    """No pattern in time, such as A B B A, that an oscillation of the machine could keep step with."""
    runs = ["".join(trial.order(f"run {seed}", pair)[0] for pair in range(1, 13)) for seed in range(400)]
    first = "".join(runs).count("A") / (12 * 400)
    turned = sum(run[at] != run[at + 1] for run in runs for at in range(11)) / (11 * 400)

    assert len(set(runs)) > 350, "of 4096"
    assert first == pytest.approx(0.5, abs=0.04)
    assert turned == pytest.approx(0.5, abs=0.04)
    assert trial.order("run 1", 5) == trial.order("run 1", 5)


def test_only_checks_that_measure_are_repeated_in_an_order_of_the_pair_s_own(conduct) -> None:
    found, *_ = conduct(SAME, SAME)
    orders = {(block.pair, block.arm): tuple(result.check for result in block.results) for block in found.blocks}

    assert {check for each in orders.values() for check in each} == {"speed.speed", "speed.steady", "image.import"}
    assert all(orders[pair, "base"] == orders[pair, "head"] for pair in range(1, 7))
    assert len(set(orders.values())) == 2


def test_a_slower_head_is_confirmed_by_further_pairs_of_that_metric_alone(conduct) -> None:
    found, head, watch = conduct(SAME, {**SAME, "RATE": "90"})
    (rate,) = (one for one in found.metrics if one.metric == "speed.speed/rate")
    (steady,) = (one for one in found.metrics if one.metric == "speed.steady/time")

    assert (rate.verdict, rate.pairs) == ("regressed", 12)
    assert rate.change == pytest.approx(-0.1)
    assert (steady.verdict, steady.pairs) == ("unchanged", 6)
    assert watch.blocks[-1][:2] == (12, 12)
    assert exit_code(found, head) == 1


def test_a_count_that_grew_is_red_without_statistics(conduct) -> None:
    found, head, _ = conduct(SAME, {**SAME, "BYTES": "4200"})

    assert verdicts(found)["speed.speed/bytes"] == "regressed"
    assert exit_code(found, head) == 1


def test_a_metric_that_vanished_is_red(conduct) -> None:
    found, head, _ = conduct(SAME, {**SAME, "RATE": "0"}, pairs=2)

    assert verdicts(found)["speed.speed/rate"] == "missing"
    assert exit_code(found, head) == 1


def test_a_metric_that_only_the_head_has_is_news(conduct) -> None:
    found, head, _ = conduct({**SAME, "RATE": "0"}, SAME)

    assert verdicts(found)["speed.speed/rate"] == "new"
    assert exit_code(found, head) == 0


def test_a_bound_in_another_unit_is_told_before_anything_is_measured(conduct) -> None:
    from ci_gpu.errors import ConfigError
    from ci_gpu.policy import policy

    rules = policy("", "warn", {"speed.*/rate": {"floor": "95 km/h"}})

    with pytest.raises(ConfigError, match="m/s"):
        conduct(SAME, SAME, policy=rules)


def test_a_bound_in_another_unit_that_does_not_gate_is_said_and_stops_nothing(conduct) -> None:
    """As in a plain run: what does not gate is never red."""
    from ci_gpu.policy import policy

    rules = policy("", "warn", {"speed.*/rate": {"floor": "95 km/h", "gate": False}})
    found, head, _ = conduct(SAME, SAME, policy=rules)
    (rate,) = (metric for metric in found.metrics if metric.metric == "speed.speed/rate")

    assert rate.verdict == "unchanged"
    assert "km/h" in rate.reason
    assert exit_code(found, head) == 0


def test_a_head_below_its_floor_is_red_even_against_an_equal_base(conduct) -> None:
    from ci_gpu.policy import policy

    found, head, _ = conduct(SAME, SAME, policy=policy("", "warn", {"speed.*/rate": {"floor": "200 m/s"}}))

    assert verdicts(found)["speed.speed/rate"] == "regressed"
    assert exit_code(found, head) == 1


def test_a_control_that_drifts_withdraws_what_was_timed(conduct, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine is slower in every block of the head: the loop says so, and nothing is concluded."""
    clock = iter(range(1_000_000))
    arms: list[str] = []

    def loop() -> float:
        return (1.2 if arms[-1] == "head" else 1.0) + next(clock) % 7 * 1e-4

    monkeypatch.setattr(trial, "_fixed_loop", loop)
    monkeypatch.setattr(Recorder, "block", lambda self, pair, pairs, arm: arms.append(arm))
    found, head, _ = conduct(SAME, {**SAME, "RATE": "90"})

    assert "control drift" in found.refused
    assert verdicts(found) == {
        "speed.speed/rate": "inconclusive",
        "speed.steady/time": "inconclusive",
        "speed.speed/bytes": "unchanged",
    }
    assert exit_code(found, head) == 3


def test_a_spoiled_pair_is_measured_again_and_kept_beside(conduct, monkeypatch: pytest.MonkeyPatch) -> None:
    """The third block throttles: its pair is repeated, and counts once."""
    calls = iter(range(1000))
    monkeypatch.setattr(trial, "REST_SECONDS", 0)
    monkeypatch.setattr(spoiling, "spoiled", lambda _: "the GPU throttled" if next(calls) == 2 else "")
    found, head, _ = conduct(SAME, SAME)

    assert [(block.pair, bool(block.invalid)) for block in found.blocks][:6] == [
        (1, False),
        (1, False),
        (2, True),
        (2, True),
        (2, False),
        (2, False),
    ]
    assert {one.pairs for one in found.metrics if one.metric.startswith("speed")} == {6}
    assert exit_code(found, head) == 0


def test_an_image_that_gives_no_answer_any_more_has_no_words_in_why(conduct, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(trial, "REST_SECONDS", 0)
    found, head, _ = conduct(SAME, {**SAME, "BREAKS_AFTER_THE_FIRST": str(tmp_path / "mark")})

    assert found.refused in ("the head gave no answer: torch-broken", "the base gave no answer: torch-broken")
    assert all("words of the image" not in block.invalid for block in found.blocks)
    assert exit_code(found, head) == 4, "it is the image that gives none"


@pytest.mark.parametrize(
    ("how", "cause"),
    [
        ({}, "the memory of this GPU is damaged"),
        ({"COMPUTES_WRONG": "1"}, "another GPU of this model computes the same right, with the same image"),
    ],
    ids=["error", "failed"],
)
def test_a_gpu_that_breaks_meanwhile_is_no_metric_that_vanished(
    conduct, tmp_path: Path, monkeypatch, how: dict[str, str], cause: str
) -> None:
    """Such an end in a block is the runner's; without blame the metric would be missing in the head."""
    monkeypatch.setattr(trial, "REST_SECONDS", 0)
    found, head, _ = conduct(SAME, {**SAME, "GPU_BREAKS_AFTER_THE_FIRST": str(tmp_path / "mark"), **how}, device="cuda")

    assert found.refused == f"a check of the head ended by the runner's fault: {cause}"
    assert len(found.blocks) == trial.SPOILED_IN_A_ROW * (trial.REPEATS + 1) * 2
    assert exit_code(found, head) == 3


def test_a_machine_that_spoiled_the_last_pairs_is_not_asked_for_more(conduct, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four good pairs, then heat: what they show is not extended."""
    calls = iter(range(1000))
    monkeypatch.setattr(trial, "REST_SECONDS", 0)
    monkeypatch.setattr(spoiling, "spoiled", lambda _: "the GPU throttled" if next(calls) >= 8 else "")
    found, *_ = conduct(SAME, {**SAME, "RATE": "97"})

    assert max(block.pair for block in found.blocks) == 4 + trial.SPOILED_IN_A_ROW


def test_a_machine_that_spoils_everything_is_given_up_early(conduct, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "REST_SECONDS", 0)
    monkeypatch.setattr(spoiling, "spoiled", lambda _: "the GPU throttled: hw-slowdown")
    found, head, _ = conduct(SAME, SAME)

    assert len(found.blocks) == trial.SPOILED_IN_A_ROW * (trial.REPEATS + 1) * 2
    assert found.refused == "the GPU throttled: hw-slowdown"
    assert exit_code(found, head) == 3


@pytest.mark.parametrize(
    ("turned", "refused"),
    [
        ({}, ""),
        ({"STUB_THROTTLE": "8"}, "the GPU GPU-1 throttled: hw-slowdown (100% of the time)"),
        ({"STUB_PROCESSES": "1"}, "the GPU GPU-1 is shared: 1 other compute process"),
    ],
)
def test_where_the_host_has_no_nvml_the_images_watch_the_gpus(
    conduct, nvml_stub: Path, monkeypatch: pytest.MonkeyPatch, turned: dict[str, str], refused: str
) -> None:
    monkeypatch.setattr(trial, "REST_SECONDS", 0)
    inside = {**SAME, "LD_LIBRARY_PATH": str(nvml_stub.parent)}
    found, *_ = conduct(inside, {**inside, **turned}, device="cuda", pairs=2)

    assert found.refused == refused
    assert all(one.inside and one.gpu == "GPU-1" for block in found.blocks for one in block.telemetry)
    assert all(len(block.telemetry) == 1 for block in found.blocks)


H100S = {uuid: Gpu(0, "H100", uuid) for uuid in ("GPU-0", "GPU-1", "GPU-2", "", "GPU-of-a-slice")}


@pytest.mark.parametrize(
    ("base", "head", "watched"),
    [
        ("GPU-2", "GPU-2", ["GPU-2"]),
        ("GPU-2", "", ["GPU-0", "GPU-1", "GPU-2"]),
        ("GPU-of-a-slice", "GPU-of-a-slice", ["GPU-0", "GPU-1", "GPU-2"]),
    ],
    ids=["CUDA's first is the host's last", "an old torch", "MIG"],
)
def test_a_neighbour_on_a_gpu_that_is_not_measured_refuses_nothing(
    arms, monkeypatch: pytest.MonkeyPatch, base: str, head: str, watched: list[str]
) -> None:
    """Our checks measure on the first GPU of CUDA's order; of three others are the host's first."""
    asked: list[str] = []
    monkeypatch.setattr(telemetry, "neighbours", lambda gpus: asked.extend(gpus) or "asked")
    own = {"user_sources": {}}
    trial.conduct(arms(base, head, **own), trial.Design(gpus=("GPU-0", "GPU-1", "GPU-2")), Recorder())

    assert asked == watched


def test_two_images_that_order_the_gpus_in_two_ways_are_not_compared(arms) -> None:
    """As with CUDA_DEVICE_ORDER=PCI_BUS_ID in one of them: they would be measured on two GPUs."""
    found = trial.conduct(arms("GPU-2", "GPU-1"), trial.Design(gpus=("GPU-1", "GPU-2")), Recorder())

    assert found.refused.startswith("the base measures on the GPU GPU-2, the head on GPU-1")
    assert found.blocks == ()


def test_a_check_of_the_user_s_may_measure_on_any_gpu(arms, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(telemetry, "neighbours", lambda gpus: asked.extend(gpus) or "asked")
    trial.conduct(arms("GPU-2", "GPU-2"), trial.Design(gpus=("GPU-0", "GPU-1", "GPU-2")), Recorder())

    assert asked == ["GPU-0", "GPU-1", "GPU-2"]


@pytest.fixture
def arms(tmp_path: Path):
    """Two images that were examined, and which GPU was the first that CUDA showed in each."""

    def arms(base: str, head: str, **changes: object) -> trial.Arms:
        (tmp_path / "torch.py").write_text(TORCH)
        visited = msgspec.structs.replace(visit(tmp_path, "cuda", **SAME), **changes)
        result = CheckResult("speed.steady", "passed", metrics=(Metric("time", "ms", "lower", (1.0,)),))
        reports = [
            ImageReport(
                name=name,
                planned=("speed.steady",),
                image=PulledImage(reference=name),
                environment=Environment("3.11", "x86_64", "2.9.0", gpus=(H100S[first],)),
                results=(result,),
            )
            for name, first in (("base", base), ("head", head))
        ]
        return trial.Arms(base=visited, head=visited, base_report=reports[0], head_report=reports[1])

    return arms


@pytest.mark.parametrize(("capability", "compiled"), [("90", False), ("130", True)])
def test_a_block_knows_whether_its_control_was_compiled_in_the_image(
    conduct, tmp_path: Path, capability: str, compiled: bool
) -> None:
    stub = Path(__file__).with_name("payload") / "cuda_stub.c"
    argv = [program("cc"), "-shared", "-fPIC", "-o", str(tmp_path / "libcuda.so.1"), str(stub)]
    subprocess.run(argv, check=True, capture_output=True)
    inside = {**SAME, "LD_LIBRARY_PATH": str(tmp_path), "STUB_CAPABILITY": capability}
    found, *_ = conduct(inside, inside, device="cuda", pairs=2)

    assert {block.control_compiled for block in found.blocks} == {compiled}
    assert {call for block in found.blocks for call in block.control} == {0.003}
    assert ("compiled in the image" in words.control(found)) is compiled


def test_two_images_that_measure_nothing_are_not_compared(conduct, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.test_trial.CHECKS", CHECKS.replace("def check_s", "def not_a_check_s"))
    found, head, _ = conduct(SAME, SAME)

    assert found.refused == "neither image has a check that measures"
    assert exit_code(found, head) == 3


@pytest.mark.parametrize(("inconclusive", "code"), [("pass", 0), ("warn", 3), ("fail", 1)])
def test_nothing_concluded_passes_only_where_the_user_says_so(inconclusive: str, code: int) -> None:
    from ci_gpu.model import Comparison

    doubtful = Comparison(metric="a.b/c", unit="s", better="lower", verdict="inconclusive", reason="noise")
    found = Trial(base="base", head="head", policy=Policy(inconclusive=inconclusive), metrics=(doubtful,))
    reasons = tuple(verdict._of_trial(found))

    assert max((reason.exit_code for reason in reasons), default=0) == code


def test_size_and_start_are_shown_and_block_nothing(conduct) -> None:
    found, *_ = conduct(SAME, SAME, pairs=2)
    (start,) = (one for one in found.metrics if one.metric == "image.import/torch")

    assert (start.unit, start.gated, start.margin) == ("s", False, 0.1)


FLAKY = '''
import os
from ci_gpu.payload import Fail, Metric, Skip

def turn():
    """How often the check was made in this image, this time counted; the first is the examination."""
    with open(os.environ["TURNS"], "a") as turns:
        turns.write("*")
    return str(os.path.getsize(os.environ["TURNS"]))

def check_flaky(device):
    """A rate that is the same in both arms, where it is told."""
    now = turn()
    if now in os.environ.get("FAILS", "").split():
        raise Fail("the product is off by 3 %, seen at turn " + now, cause=os.environ["CAUSE"])
    if now in os.environ.get("RAISES", "").split():
        raise ValueError("no such algorithm")
    if now in os.environ.get("ENDS", "").split():
        os._exit(7)
    if now in os.environ.get("SKIPS", "").split():
        raise Skip("not today")
    yield Metric("rate", "m/s", "higher", tuple(100 * (1 + share / 1000) for share in range(5)))

def check_steady(device):
    """A time that is the same in both arms."""
    yield Metric("time", "ms", "lower", (1.0, 1.01, 1.02))
'''


@pytest.fixture
def flaky(conduct, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A whole trial in which a check is made in turns, of which some fail in the base or in the head."""
    monkeypatch.setattr("tests.test_trial.CHECKS", FLAKY)
    monkeypatch.setattr(trial, "REST_SECONDS", 0)

    def flaky(base: dict[str, str], head: dict[str, str], **design: object) -> tuple[Trial, ImageReport]:
        arms = [
            {"TURNS": str(tmp_path / f"turns-{name}"), "CAUSE": "", **turns}
            for name, turns in (("base", base), ("head", head))
        ]
        found, report, _ = conduct(*arms, **design)
        return found, report

    return flaky


def rate(found: Trial) -> tuple[str, str]:
    (one,) = (metric for metric in found.metrics if metric.metric == "speed.flaky/rate")
    return one.verdict, one.reason


@pytest.mark.attack
@pytest.mark.parametrize(
    ("turns", "kind", "said"),
    [
        (
            {"FAILS": "3 5"},
            "wrong",
            "failed in 2 of 6 containers of the head: the product is off by 3 %, seen at turn 3",
        ),
        (
            {"FAILS": "7"},
            "wrong",
            "failed in 1 of 6 containers of the head: the product is off by 3 %, seen at turn 7",
        ),
        (
            {"RAISES": "2 4 6"},
            "exception",
            "had an error in 3 of 6 containers of the head: speed.py:17: ValueError: no such algorithm",
        ),
        ({"ENDS": "2"}, "", "had an error in 1 of 6 containers of the head: "),
    ],
    ids=["fails", "fails at last", "raises", "dies"],
)
def test_a_check_that_fails_in_some_containers_of_the_head_is_red_and_counted(
    flaky, turns: dict[str, str], kind: str, said: str
) -> None:
    """An image computes wrongly in some of its containers and passed its examination, and what was left of its samples
    looked unchanged. A failure in any container is a result: red, with its count.
    """
    found, head = flaky({}, turns)
    (reason,) = (verdict_ := judged(found, head)).reasons

    assert head.results[0].outcome == "passed"
    assert (verdict_.exit_code, verdict_.advice) == (1, ())
    assert (reason.image, reason.subject) == ("head", "speed.flaky")
    assert reason.message.startswith(said)
    assert reason.kind == (kind or reason.kind)
    assert rate(found) == ("inconclusive", f"its check {said.partition(':')[0]}")
    assert verdicts(found)["speed.steady/time"] == "unchanged"


@pytest.mark.attack
def test_a_check_that_fails_in_some_containers_of_the_base_is_said_and_its_metric_proves_nothing(flaky) -> None:
    """A base computes wrongly in some containers, so that the head would be compared with what is left. It is told with
    its count, and the metric is inconclusive.
    """
    found, head = flaky({"FAILS": "3 5"}, {})
    (advice,) = judged(found, head).advice

    assert exit_code(found, head) == 0
    assert (advice.image, advice.subject, advice.exit_code) == ("base", "speed.flaky", 0)
    assert advice.message.startswith("failed in 2 of 6 containers of the base: the product is off by 3 %")
    assert rate(found) == ("inconclusive", "its check failed in 2 of 6 containers of the base")
    assert exit_code(msgspec.structs.replace(found, policy=Policy(inconclusive="fail")), head) == 1


@pytest.mark.attack
@pytest.mark.parametrize(("inconclusive", "code"), [("warn", 3), ("fail", 1)])
def test_a_base_that_fails_everything_is_no_base_to_be_green_against(flaky, inconclusive: str, code: int) -> None:
    """A base fails everything, so that all metrics of the head were new and green. They are inconclusive, and where
    nothing could be compared the run is no success.
    """
    policy = Policy(inconclusive=inconclusive, rules=(("speed.steady/*", MetricRule(gate=False)),))
    found, head = flaky({"FAILS": "1 2 3 4 5 6 7"}, {}, policy=policy)

    assert rate(found) == ("inconclusive", "its check failed in 6 of 6 containers of the base")
    assert exit_code(found, head) == code
    assert [one.subject for one in judged(found, head).advice] == ["speed.flaky"]


@pytest.mark.attack
@pytest.mark.parametrize("inconclusive", ["warn", "fail"])
def test_a_comparison_in_which_nothing_gates_is_not_green(flaky, inconclusive: str) -> None:
    """A policy takes every metric out of the gate, so that no regression could be red. A comparison in which nothing
    gates is a mistake of its own.
    """
    policy = Policy(inconclusive=inconclusive, rules=(("*", MetricRule(gate=False)),))
    found, head = flaky({}, {}, policy=policy)
    (reason,) = judged(found, head).reasons

    assert set(verdicts(found).values()) == {"unchanged"}
    assert (reason.exit_code, reason.kind) == (3, "nothing-compared")


def test_what_fails_in_a_container_that_the_machine_spoiled_is_said_and_held_against_nobody(
    flaky, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoiled = []

    def throttles(_: object) -> str:
        turns = tmp_path / "turns-head"
        if spoiled or turns.stat().st_size != 3:
            return ""
        spoiled.append(True)
        return "the GPU throttled: hw-slowdown"

    monkeypatch.setattr(spoiling, "spoiled", throttles)
    found, head = flaky({}, {"FAILS": "3"})
    (advice,) = judged(found, head).advice

    assert advice.message.startswith(
        "failed in 1 container of the head that the machine spoiled (the GPU throttled: hw-slowdown): the product"
    )
    assert (exit_code(found, head), rate(found)[0]) == (0, "unchanged")


def test_a_gpu_that_fails_once_is_said_and_its_pair_measured_again(flaky) -> None:
    found, head = flaky({}, {"FAILS": "3", "CAUSE": "gpu-computes-wrong"})
    (advice,) = judged(found, head).advice

    assert (advice.kind, advice.cause, advice.subject) == ("gpu-computes-wrong", "gpu-computes-wrong", "speed.flaky")
    assert advice.message.startswith("failed in 1 container of the head that the machine spoiled (")
    assert (exit_code(found, head), rate(found)[0]) == (0, "unchanged")


@pytest.mark.attack
@pytest.mark.parametrize(("arm", "code"), [("head", 4), ("base", 0)])
def test_a_container_that_gave_no_answer_is_not_forgotten_for_the_next_one_that_did(
    flaky, tmp_path: Path, arm: str, code: int
) -> None:
    """An image ends some of its containers without an answer, and the next one that did answer hid it. It is red of the
    head, told of the base, and counted.
    """
    once = {"STARTS": str(tmp_path / "starts"), "BREAKS_AT": "3"}
    found, head = flaky(*({arm: once}.get(each, {}) for each in ("base", "head")))
    (told,) = judged(found, head).reasons if arm == "head" else judged(found, head).advice

    assert exit_code(found, head) == code
    assert (told.kind, told.image, told.subject) == ("torch-broken", arm, "")
    assert told.message.startswith(f"gave no answer in 1 of 7 containers of the {arm}: ")
    assert rate(found)[0] == "unchanged"


@pytest.mark.attack
def test_a_check_that_is_skipped_in_some_containers_proves_nothing(flaky) -> None:
    """An image skips a check in those containers in which it is slow. A metric whose check was skipped in some
    containers is inconclusive.
    """
    found, _ = flaky({}, {"SKIPS": "3 5"})

    assert rate(found) == ("inconclusive", "its check was skipped in 2 of 6 containers of the head")


def test_a_check_that_fails_in_every_container_of_the_head_is_one_reason_beside_the_metric_that_it_lost(flaky) -> None:
    found, head = flaky({}, {"FAILS": "2 3 4 5 6 7"})
    reasons = judged(found, head).reasons

    assert [(one.kind, one.subject) for one in reasons] == [("wrong", "speed.flaky"), ("missing", "speed.flaky/rate")]
    assert reasons[0].message.startswith("failed in 6 of 6 containers of the head: ")
    assert rate(found)[1].endswith("; its check failed in 6 of 6 containers of the head")


def test_a_check_that_failed_its_examination_too_is_one_reason_with_both(flaky) -> None:
    found, head = flaky({}, {"FAILS": "1 2 3 4 5 6 7"})
    failed, _missing = judged(found, head).reasons

    assert failed.message == (
        "the product is off by 3 %, seen at turn 1 (it failed in 6 of 6 containers of the head, too)"
    )
