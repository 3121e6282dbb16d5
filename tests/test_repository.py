"""What is shipped beside the code: the action, workflows and examples keep to what they promise."""

from __future__ import annotations

import inspect
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from ci_gpu import catalogue, config
from ci_gpu.cli import options, posting, running
from ci_gpu.github import actions
from ci_gpu.settings import Settings
from tests import samples
from tests.needs import program

ROOT = Path(__file__).parents[1]
INPUT_TO_OPTION = {"baseline-image": "baseline"}
"""Inputs whose name is not the option's."""

ACTION: dict[str, Any] = YAML(typ="safe").load(ROOT / "action.yml")
WORKFLOWS = sorted((*ROOT.glob(".github/workflows/*.yml"), *ROOT.glob("examples/**/*.yml")))
EXAMPLES = [path for path in WORKFLOWS if path.is_relative_to(ROOT / "examples")]
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]
RUN: dict[str, Any] = next(step for step in STEPS if step.get("id") == "run")

EXAMPLE = """
name: Example
on: push
permissions: {{}}
concurrency:
  group: example
  cancel-in-progress: false
jobs:
  only:
    name: Only
    runs-on: {label}
    timeout-minutes: 5
    steps:
      - name: Check
        uses: {uses}
        with:
          {input}: a/b
"""


def tool(name: str, *arguments: object, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    argv = [program(name), *map(str, arguments)]
    return subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False)


def zizmor(*files: Path) -> subprocess.CompletedProcess[str]:
    return tool("zizmor", "--offline", "--persona", "pedantic", "--config", ROOT / ".github/zizmor.yml", *files)


def actionlint(folder: Path, *files: Path) -> subprocess.CompletedProcess[str]:
    return tool("actionlint", "-config-file", ROOT / ".github/actionlint.yaml", *files, cwd=folder)


def schema(name: str, *files: Path) -> subprocess.CompletedProcess[str]:
    return tool("check-jsonschema", "--builtin-schema", f"vendor.github-{name}", *files)


def workflow(folder: Path, *, label: str = "ubuntu-24.04", uses: str = "./", given: str = "image") -> Path:
    """A workflow, in a repository that holds our action."""
    (folder / ".git").mkdir()
    (folder / ".github/workflows").mkdir(parents=True)
    shutil.copy(ROOT / "action.yml", folder)
    path = folder / ".github/workflows/example.yml"
    path.write_text(EXAMPLE.format(label=label, uses=uses, input=given))
    return path


def test_zizmor_finds_nothing_where_it_is_pedantic() -> None:
    done = zizmor(ROOT / "action.yml", *WORKFLOWS)

    assert done.returncode == 0, done.stdout
    assert len(WORKFLOWS) >= 8


def test_zizmor_bites_where_an_input_is_spliced_into_a_script(tmp_path: Path) -> None:
    text = (ROOT / "action.yml").read_text()
    (tmp_path / "action.yml").write_text(text.replace("ci_gpu run", "ci_gpu run ${{ inputs.image }}"))
    done = zizmor(tmp_path / "action.yml")

    assert done.returncode >= 13
    assert "template-injection" in done.stdout


def test_zizmor_bites_where_a_stranger_s_action_is_not_pinned(tmp_path: Path) -> None:
    done = zizmor(workflow(tmp_path, uses="someone/else@v1"))

    assert done.returncode >= 13
    assert "unpinned-uses" in done.stdout


def test_the_schemas_of_github_hold() -> None:
    done = schema("actions", ROOT / "action.yml")
    assert done.returncode == 0, done.stdout

    done = schema("workflows", *WORKFLOWS)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(("kind", "text"), [("actions", "description: |"), ("workflows", "runs-on:")])
def test_a_schema_bites_where_a_key_is_missing(kind: str, text: str, tmp_path: Path) -> None:
    source = ROOT / "action.yml" if kind == "actions" else workflow(tmp_path)
    lines = source.read_text().replace("description: Find out", "description: |\n  Find out").splitlines(keepends=True)
    first = next(number for number, line in enumerate(lines) if text in line)
    (tmp_path / "broken.yml").write_text("".join(lines[:first] + lines[first + (2 if kind == "actions" else 1) :]))

    assert schema(kind, tmp_path / "broken.yml").returncode != 0


def test_actionlint_finds_nothing() -> None:
    done = actionlint(ROOT, *WORKFLOWS)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "example", [path for path in WORKFLOWS if "examples" in path.parts], ids=lambda path: path.name
)
def test_the_examples_use_the_action_as_it_is(example: Path, tmp_path: Path) -> None:
    """actionlint reads the inputs and outputs of an action only where it lies in the same repository."""
    path = workflow(tmp_path)
    path.write_text(example.read_text().replace("org/ci-gpu@v1", "./"))
    done = actionlint(tmp_path, path)

    assert done.returncode == 0, done.stdout


def test_actionlint_bites_where_an_input_is_unknown(tmp_path: Path) -> None:
    path = workflow(tmp_path, given="imagee")

    assert "imagee" in actionlint(tmp_path, path).stdout


def test_actionlint_bites_where_an_output_is_unknown(tmp_path: Path) -> None:
    path = workflow(tmp_path)
    text = path.read_text().replace("uses: ./", "id: gpu\n        uses: ./")
    path.write_text(f"{text}      - name: Tell\n        run: test ${{{{ steps.gpu.outputs.sonnet }}}}\n")

    assert "sonnet" in actionlint(tmp_path, path).stdout


def test_actionlint_bites_where_a_label_is_unknown(tmp_path: Path) -> None:
    assert "gpuu" in actionlint(tmp_path, workflow(tmp_path, label="[self-hosted, gpuu]")).stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_actions_of_others_are_pinned_to_a_commit_whose_version_is_named(path: Path) -> None:
    lines = re.findall(r"uses: (?!\./|org/ci-gpu@v1)(.*)", path.read_text())

    assert [line for line in lines if not re.fullmatch(r"[\w-]+/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


def test_no_action_is_used_inside_ours() -> None:
    assert all("uses" not in step and "run" in step for step in STEPS)


def test_no_script_of_the_action_is_put_together_from_expressions() -> None:
    assert [step["name"] for step in STEPS if "${{" in step["run"]] == []


def test_every_input_is_forwarded_as_an_environment_variable_of_its_name() -> None:
    forwarded = {value: name for step in STEPS for name, value in step.get("env", {}).items()}

    for name in ACTION["inputs"]:
        option = INPUT_TO_OPTION.get(name, name)
        assert forwarded[f"${{{{ inputs.{name} }}}}"] == f"CI_GPU_{option.upper().replace('-', '_')}"


def test_every_input_is_an_option_and_every_option_is_an_input() -> None:
    """The four report files lie in report-dir; in a workflow the image's log is always shown."""
    known = {str(option.envvar) for option in running.run.params if option.envvar}
    forwarded = {name for name, value in RUN["env"].items() if "inputs." in value}

    assert forwarded - known == {"CI_GPU_REGISTRY_PASSWORD", "CI_GPU_GITHUB_TOKEN"}
    assert known - forwarded == {"CI_GPU_VERBOSE", *(f"CI_GPU_{name.upper()}" for name in options.FORMATS)}
    for name in forwarded - known:
        assert name in "".join(inspect.getsource(module) for module in (running, posting))


SETTINGS = {name.replace("_", "-"): getattr(Settings(), name) for name in Settings.__struct_fields__}


def _default(name: str) -> str:
    """What the action says for a setting where the workflow does not."""
    names = {option: given for given, option in INPUT_TO_OPTION.items()}
    return str(ACTION["inputs"][names.get(name, name)]["default"])


def test_what_a_workflow_does_not_say_is_left_to_the_file_except_what_protects() -> None:
    """A file of the pull request's does not do without the GPU, the container or its isolation."""
    said = {name: _default(name) for name in SETTINGS if _default(name)}

    assert said == {"device": "cuda", "engine": "auto", "group-add": "none", "network": "none", "selinux-label": "keep"}


def test_every_output_of_the_action_is_one_that_ci_gpu_writes() -> None:
    written = {*actions.outputs(samples.green()), *(f"{name}-file" for name in options.FORMATS)}
    written |= {"comment-pending", "comment-url"}

    assert set(ACTION["outputs"]) - {"report-dir"} == written
    without = {"conclusion": " || 'error'", "exit-code": " || steps.setup.outputs.exit-code"}  # where it did not run
    for name in written:
        otherwise = without.get(name, "")
        assert ACTION["outputs"][name]["value"] == f"${{{{ steps.run.outputs.{name}{otherwise} }}}}"
    assert all(one["description"] for one in (*ACTION["inputs"].values(), *ACTION["outputs"].values()))


def test_the_readme_names_every_input_with_its_default() -> None:
    readme = (ROOT / "README.md").read_text()
    cells = (line.split("|") for line in readme.splitlines() if line.count("|") >= 4)
    rows = {row[1].strip(" `"): row[2].strip(" `") for row in cells}
    for name, one in ACTION["inputs"].items():
        default = one["default"] or str(SETTINGS.get(name) or "")
        expected = "the job's" if name == "github-token" else default
        assert rows.get(name) == expected, f"the table of inputs in README.md lacks | `{name}` | `{expected}` |"


@pytest.mark.parametrize("name", [path.stem for path in (ROOT / "examples/checks").glob("*.py")])
def test_an_example_of_a_user_s_check_is_one(name: str) -> None:
    infos, sources = catalogue.check_infos(str(ROOT / "examples/checks"))

    assert name in sources
    assert [info.proves for info in infos if info.family == name]
    assert name not in catalogue.builtin_sources()


def test_the_example_of_a_configuration_names_several_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    targets = config.targets((), {}, ROOT / "examples/ci-gpu.toml")

    assert len(targets) >= 2
    assert {target.settings.device for target in targets} == {"cuda"}


def test_what_installs_things_names_no_index_but_the_public_ones() -> None:
    names = ("Makefile", "pyproject.toml", "action.yml", ".ci/run", "tests/containers/setup.sh")
    files = (*(ROOT / name for name in names), *WORKFLOWS)
    hosts = {host for path in files for host in re.findall(r"https?://([^/\s'\"]+)", path.read_text())}

    assert hosts <= {"github.com", "pypi.org", "download.pytorch.org"}


def test_make_test_is_what_ci_runs_and_everything_is_required_there() -> None:
    script = ROOT / ".ci/run"

    assert script.stat().st_mode & 0o111
    assert tool("bash", "-n", script).returncode == 0
    assert "CI_GPU_TESTS=require" in script.read_text()
    assert script.read_text().rstrip().splitlines()[-1].startswith("make test")
