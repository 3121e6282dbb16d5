"""A run.json that somebody else wrote: its comparison is what its samples give, and never what it says of itself."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ci_gpu import cli, reports
from ci_gpu.cli import reading
from ci_gpu.compare import compare, control
from ci_gpu.errors import ConfigError
from ci_gpu.history import stores
from ci_gpu.model import Block, MetricRule, Policy, RunReport, Summary, Trial
from ci_gpu.payload.wire import CheckResult, Metric
from ci_gpu.reports import json as report
from ci_gpu.verdict import judge
from tests import paired, samples, trials
from tests.github.scripted import Answer, github
from tests.github.thread import Thread

FORK = "reported by a fork's run, not verified"
SAID_OTHERWISE = "computed from the samples"
SHA = "1" * 40


def block(arm: str, pair: int) -> Block:
    """Of the head `slow` takes 8 % longer, `count` is 1 more, and `same` is the same."""
    worse, noise = arm == "head", paired.NOISE[pair - 1] if arm == "head" else 0.0
    metrics = (
        Metric("slow", "ms", "lower", ((1.08 if worse else 1.0) * (1 + noise),)),
        Metric("same", "ms", "lower", (1 + noise,)),
        Metric("count", "1", "lower", (5.0 if worse else 4.0,), exact=True),
    )
    results = (CheckResult("suite.one", "passed", metrics=metrics),)
    return Block(pair=pair, arm=arm, results=results, control=(0.01, 0.01))


def blocks() -> tuple[Block, ...]:
    """Twelve pairs."""
    return tuple(block(arm, pair) for pair in range(1, 13) for arm in ("base", "head"))


MEASURED = blocks()


def honest(measured: tuple[Block, ...] = MEASURED) -> RunReport:
    """As a run leaves it: two metrics regressed, one is unchanged."""
    metrics, drift = compare(measured, Policy()), control(measured)
    order = "AB" * (len(measured) // 2)
    trial = Trial(base="old", head="new", order=order, blocks=measured, metrics=metrics, control=drift)
    images = (samples.image_report(name="new"), samples.image_report(name="old"))
    return samples.run_report(images=images, trial=trial)


def document(run: RunReport | None = None) -> dict[str, Any]:
    run = run or honest()
    whole: dict[str, Any] = json.loads(report.render(Summary(report=run, verdict=judge(run))))
    return whole


def forged() -> dict[str, Any]:
    """All that the file concludes from its samples says that nothing happened."""
    whole = document()
    for one in whole["trial"]["metrics"]:
        one.update(verdict="unchanged", reason="", p=1.0, margin=0.9, gated=False, change=0.0, low=0.0, high=0.0)
    whole["trial"]["metrics"][1].update(gated=True)
    whole["verdict"] = {"exit_code": 0, "conclusion": "success", "reasons": []}
    return whole


def written(folder: Path, whole: dict[str, Any]) -> Path:
    path = folder / "run.json"
    path.write_text(json.dumps(whole))
    return path


def ci_gpu(*arguments: str) -> int:
    code: int = cli.cli.main(list(arguments), prog_name="ci-gpu", standalone_mode=False)
    return code


def test_what_a_run_wrote_is_read_as_it_was_and_nothing_is_said(tmp_path: Path) -> None:
    read = reading.summary_of(written(tmp_path, document()))

    assert read.report == honest()
    assert read.verdict.exit_code == 1
    assert read.caveats == ()


@pytest.mark.attack
@pytest.mark.parametrize("name", reports.names())
def test_a_forged_comparison_is_shown_as_its_samples_give_it(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A fork's file says that nothing regressed, and its samples say otherwise. Every report shows what the samples
    give, and that the file differed.
    """
    path = written(tmp_path, forged())

    assert ci_gpu("report", str(path), "--format", name) == 0
    shown = capsys.readouterr().out
    assert "regressed" in shown
    assert SAID_OTHERWISE in " ".join(shown.split())


@pytest.mark.attack
def test_a_forged_comparison_is_red(tmp_path: Path) -> None:
    """A fork's file carries a verdict of success over samples of a regression. The verdict is computed from the
    samples: red.
    """
    read = reading.summary_of(written(tmp_path, forged()))

    assert read.verdict.exit_code == 1
    assert read.report == honest()


@pytest.mark.attack
def test_a_comparison_without_samples_is_none_of_ours(tmp_path: Path) -> None:
    """A fork's file carries verdicts and no samples. What cannot be computed again is not shown, and is no success."""
    whole = forged()
    whole["trial"]["blocks"] = []
    read = reading.summary_of(written(tmp_path, whole))
    trial = read.report.trial

    assert trial is not None
    assert trial.metrics == ()
    assert read.verdict.exit_code == 3
    assert SAID_OTHERWISE in read.caveats[0]


@pytest.mark.attack
def test_an_import_and_a_comparison_of_a_forged_file_say_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody hands over a forged run.json for the history, or to be compared with another.

    Both took what the samples give, but silently: nobody learnt that the file had said something else.
    """
    path, url = str(written(tmp_path, forged())), f"sqlite:///{tmp_path}/h.db"

    assert ci_gpu("history", "import", path, "--store", url) == 0
    assert SAID_OTHERWISE in capsys.readouterr().err
    (tmp_path / "honest.json").write_text(json.dumps(document()))
    ci_gpu("compare", str(tmp_path / "honest.json"), path)
    said = " ".join(capsys.readouterr().out.split())
    assert "HEAD: The file of this run concludes" in said
    assert "BASE:" not in said
    ci_gpu("history", "import", str(tmp_path / "honest.json"), "--store", url)
    assert capsys.readouterr().err == ""


@pytest.mark.attack
def test_a_regression_is_not_called_the_runner_s_fault(tmp_path: Path) -> None:
    """A fork's file says that the machine was unfit, so that what was timed is withdrawn. Whether it was unfit is
    computed, too.
    """
    whole = document(honest(tuple(map(timed, MEASURED))))
    whole["trial"]["refused"] = "control drift of +9 %"
    whole["trial"]["metrics"] = []
    read = reading.summary_of(written(tmp_path, whole))

    assert read.verdict.exit_code == 1
    assert SAID_OTHERWISE in read.caveats[0]


def timed(one: Block) -> Block:
    """Without the count, which no refusal withdraws."""
    results = tuple(CheckResult(each.check, each.outcome, metrics=each.metrics[:2]) for each in one.results)
    return msgspec.structs.replace(one, results=results)


@pytest.mark.attack
@pytest.mark.parametrize("code", [0, 256, -256])
def test_an_image_that_could_not_be_examined_is_no_success_whatever_its_code(code: int, tmp_path: Path) -> None:
    """A fork's file gives a failure the exit code 0, or 256, which is 0 for whoever asks the shell. Codes that are not
    documented are refused.
    """
    whole = json.loads(report.render(samples.not_pulled()))
    whole["images"][0]["failure"]["exit_code"] = code

    with pytest.raises(ConfigError, match="exit code"):
        reading.summary_of(written(tmp_path, whole))


@pytest.mark.attack
def test_nor_is_a_container_of_a_comparison_without_an_answer(tmp_path: Path) -> None:
    """A fork's file gives a container without an answer the exit code 0. Codes that are not documented are refused."""
    whole = document()
    whole["trial"]["blocks"][1]["failure"] = {"kind": "no-answer", "exit_code": 0, "what": "silence"}

    with pytest.raises(ConfigError, match="exit code"):
        reading.summary_of(written(tmp_path, whole))


@pytest.mark.attack
def test_an_image_that_fails_is_not_excused_as_the_base_of_a_comparison_that_was_none(tmp_path: Path) -> None:
    """A fork's file calls its failing image the base of a comparison that never was, because a base shuts no gate. A
    comparison without its two images is refused.
    """
    whole = json.loads(report.render(samples.red()))
    name = whole["images"][0]["name"]
    whole["trial"] = {"base": name, "head": "another", "policy": {"inconclusive": "pass"}}

    with pytest.raises(ConfigError, match="comparison"):
        reading.summary_of(written(tmp_path, whole))


@pytest.mark.attack
def test_the_history_keeps_what_the_samples_give(tmp_path: Path) -> None:
    """A fork's file is imported into the history with its forged verdicts. The history keeps what the samples give."""
    path, store = written(tmp_path, forged()), tmp_path / "history.db"

    assert ci_gpu("history", "import", str(path), "--store", f"sqlite:///{store}") == 0
    with closing(stores.open_store(f"sqlite:///{store}", {})) as kept:
        (record,) = kept.records()
    verdicts = {one.key.metric: one.verdict for one in record.measurements if one.arm == "head"}
    assert verdicts == {"suite.one/slow": "regressed", "suite.one/same": "unchanged", "suite.one/count": "regressed"}
    assert record.conclusion == "failure"


@pytest.mark.attack
def test_blocks_that_a_file_leaves_out_without_showing_why_are_told(tmp_path: Path) -> None:
    """Somebody marks the blocks that show a regression as such that count for nothing. The rest would look unchanged,
    as if the machine had spoiled them. Where nothing in a pair shows why, the first lines say so.
    """
    whole = document()
    for one in whole["trial"]["blocks"][:6]:
        one["invalid"] = "the GPU GPU-1 throttled"
    read = reading.summary_of(written(tmp_path, whole))

    assert any("6 blocks" in caveat and "nothing in them shows why" in caveat for caveat in read.caveats)


@pytest.mark.attack
def test_blocks_that_a_file_lets_count_against_their_telemetry_are_told(tmp_path: Path) -> None:
    """Somebody clears the mark of blocks in which the GPU was throttled, so that noise passes for a result. What the
    telemetry shows is computed, and the first lines say so.
    """
    whole = document()
    whole["trial"]["blocks"][0]["telemetry"] = [{"gpu": "GPU-1", "foreign_processes": 2}]
    read = reading.summary_of(written(tmp_path, whole))

    assert any("1 block" in caveat and "shared" in caveat for caveat in read.caveats)


def test_blocks_that_were_spoiled_and_show_it_are_left_out_without_a_word(tmp_path: Path) -> None:
    whole = document()
    for one in whole["trial"]["blocks"][:2]:
        one["invalid"] = "the GPU GPU-1 is shared"
    whole["trial"]["blocks"][1]["telemetry"] = [{"gpu": "GPU-1", "foreign_processes": 2}]
    read = reading.summary_of(written(tmp_path, whole))

    assert not any("blocks" in caveat for caveat in read.caveats)


@pytest.mark.attack
@pytest.mark.parametrize(
    "policy",
    [{"rules": [["*", {"gate": False}]]}, {"rules": [["suite.*", {"min_effect": 0.9}]]}, {"min_effect": 0.9}],
)
def test_a_file_that_loosens_what_blocks_says_so_first(policy: dict[str, Any], tmp_path: Path) -> None:
    """Somebody writes a policy into the file by which nothing blocks. Computed anew by that policy, it would be green.
    The first lines say that what blocks is the file's own word, and loose.
    """
    whole = document()
    whole["trial"]["policy"] = policy
    read = reading.summary_of(written(tmp_path, whole))

    assert any("the file's own word, and that is loose" in caveat for caveat in read.caveats)


WORDS = st.sampled_from(["unchanged", "improved", "new", "inconclusive", "not-comparable", "regressed", "missing", "?"])
NUMBERS = st.none() | st.floats(-1, 1)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "metric": st.sampled_from(["suite.one/slow", "suite.one/same", "suite.one/count", "other.one/time"]),
    "verdict": WORDS,
    "gated": st.booleans(),
    "exact": st.booleans(),
    "better": st.sampled_from(["higher", "lower", "?"]),
    "unit": st.sampled_from(["ms", "1", "GB"]),
    "version": st.integers(0, 3),
    "margin": st.floats(0, 1),
    "pairs": st.integers(0, 20),
    "pairs_needed": st.integers(0, 20),
    "reason": st.sampled_from(["", "noise", "provisional"]),
    **dict.fromkeys(("base", "head", "change", "low", "high", "hodges_lehmann", "p"), NUMBERS),
}
CHANGES = st.fixed_dictionaries({}, optional=FIELDS)
EXTRA = st.fixed_dictionaries(
    {name: FIELDS[name] for name in ("metric", "verdict", "unit", "better")}, optional={"gated": st.booleans()}
)
OF_THE_TRIAL = st.fixed_dictionaries(
    {},
    optional={
        "refused": st.sampled_from(["", "another process used the GPU"]),
        "control": st.none() | EXTRA,
        "order": st.sampled_from(["", "AB"]),
    },
)


@pytest.mark.attack
@settings(max_examples=80, deadline=None)
@given(
    changes=st.lists(CHANGES, min_size=3, max_size=3),
    kept=st.sets(st.integers(0, 2)),
    extra=st.lists(EXTRA, max_size=2),
    trial=OF_THE_TRIAL,
    code=st.integers(0, 5),
)
def test_nothing_that_a_file_concludes_changes_what_is_shown(
    tmp_path_factory: pytest.TempPathFactory,
    changes: list[dict[str, Any]],
    kept: set[int],
    extra: list[dict[str, Any]],
    trial: dict[str, Any],
    code: int,
) -> None:
    """A fork's file concludes anything: verdicts, which metrics gate, metrics that are left out or made up. Report and
    verdict are those of its samples.
    """
    whole, true = document(), honest()
    metrics = whole["trial"]["metrics"]
    whole["trial"] |= {**trial, "metrics": [metrics[each] | changes[each] for each in sorted(kept)] + extra}
    whole["verdict"] = {"exit_code": code, "conclusion": "success", "reasons": []}
    read = reading.summary_of(written(tmp_path_factory.getbasetemp(), whole))

    assert read.report == true
    assert read.verdict == judge(true)
    words = [(one["metric"], one["verdict"], one["gated"]) for one in whole["trial"]["metrics"] if "gated" in one]
    if sorted(words) != sorted((one.metric, one.verdict, one.gated) for one in true.trial.metrics):  # type: ignore[union-attr]
        assert SAID_OTHERWISE in read.caveats[0]


VALUES: list[Any] = [None, "", "head", "base", "C", 0, -1, 1, 2**62, 10**400, 1e308, -1e308, 5e-324, [], {}, [1e308]]


RULES = (("attention.*/peak memory", MetricRule(min_effect=0.1, ceiling=1e4, unit="MiB")), ("copy.*", MetricRule()))
WITH_ALL = samples.comparison(trial=trials.trial(policy=Policy(min_effect=0.03, rules=RULES)))


@pytest.mark.attack
@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_value_anywhere_in_a_comparison_is_refused_in_words_or_shown_by_every_report(data: st.DataObject) -> None:
    """A fork's file holds any value at any place of a comparison, to end a report in a crash. It is refused in words,
    or every report can show it.
    """
    whole = json.loads(report.render(WITH_ALL))
    place: Any = whole["trial"]
    while True:
        keys = list(place) if isinstance(place, dict) else range(len(place))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], (dict, list)) or not place[key]:
            break
        place = place[key]
    place[key] = data.draw(st.sampled_from(VALUES))
    try:
        read = report.read(json.dumps(whole))
    except ConfigError as error:
        kind = error.kind
    else:
        kind = "bad-report"
        assert all(reports.load(name).render(read).encode() for name in reports.names())
    assert kind == "bad-report"


RUN = {"event": "pull_request", "head_sha": SHA, "head_branch": "topic"}


def comments(folder: Path, monkeypatch: pytest.MonkeyPatch, owner: str, whole: dict[str, Any]) -> list[str]:
    """The comments that the second workflow leaves, of a run of this owner's pull request."""
    head = {"full_name": f"{owner}/repo", "owner": {"login": owner}}
    (folder / "event.json").write_text(json.dumps({"workflow_run": {**RUN, "head_repository": head}}))
    thread = Thread()
    thread.head = SHA
    pulls = [{"number": 7, "state": "open", "head": {"sha": SHA}}]
    with github(lambda asked: Answer(200, pulls) if "/pulls?" in asked.path else thread(asked)) as server:
        thread.url = server.url
        env = {
            "GITHUB_EVENT_NAME": "workflow_run",
            "GITHUB_EVENT_PATH": str(folder / "event.json"),
            "GITHUB_REPOSITORY": "org/repo",
            "GITHUB_TOKEN": "t0ken",
            "GITHUB_API_URL": server.url,
        }
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        assert ci_gpu("comment", str(written(folder, whole))) == 0
    return thread.bodies


@pytest.mark.attack
def test_a_forged_report_of_a_fork_is_red_and_the_first_line_that_is_seen_says_whose_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fork's forged file is commented by the second workflow as if it were ours. The first line says that a fork's
    run reported it, and the verdict is computed from the samples.
    """
    (body,) = comments(tmp_path, monkeypatch, "stranger", forged())
    marker, first, *rest = body.splitlines()

    assert marker.startswith("<!-- ")
    assert FORK in first
    assert SAID_OTHERWISE in body
    assert "❌" in "".join(rest)
    assert "regressed" in "".join(rest)


def test_a_report_of_the_repository_s_own_branch_is_not_said_to_be_a_fork_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (body,) = comments(tmp_path, monkeypatch, "org", document())

    assert FORK not in body
    assert "regressed" in body
