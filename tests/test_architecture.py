"""The plan of the house is checked, not only drawn."""

from __future__ import annotations

import ast
import shutil
import subprocess
from pathlib import Path

import pytest

import ci_gpu
from tests.needs import program

ROOT = Path(ci_gpu.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))


def test_the_layout_in_contributing_names_every_module() -> None:
    """Those in ``ci_gpu`` itself, and its folders; a backtick or a slash is no part of a name."""
    layout = (ROOT.parent / ".github/CONTRIBUTING.md").read_text().split("```")[3]
    named = {line.split()[0].rstrip("/") for line in layout.splitlines() if line.strip()}
    there = {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}

    assert "trial" in there
    assert {name for name in there if not name.startswith("_")} - named == set()


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program("lint-imports"), "--no-cache"], cwd=folder, capture_output=True, text=True, check=False
    )


def test_imports_point_down() -> None:
    done = lint_imports(ROOT.parent)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "planted"),
    [
        ("verdict.py", "import subprocess"),
        ("reports/junit.py", "import os"),
        ("config.py", "import click"),
        ("payload/wire.py", "import ci_gpu.model"),
        ("engines/docker.py", "import ci_gpu.guest"),
    ],
)
def test_an_import_that_points_up_is_found(module: str, planted: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT, tmp_path / "ci_gpu", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT.parent / "pyproject.toml", tmp_path)
    with (tmp_path / "ci_gpu" / module).open("a") as file:
        file.write(f"\n{planted}\n")
    done = lint_imports(tmp_path)

    assert done.returncode == 1
    assert "BROKEN" in done.stdout


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_says_what_it_is_for_and_is_one_noun(module: Path) -> None:
    tree = ast.parse(module.read_text())

    assert ast.get_docstring(tree)
    assert module.read_text().count("\n") <= 400
    assert module.stem not in ("utils", "helpers", "manager", "base", "core")


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_public_function_has_a_docstring(module: Path) -> None:
    tree = ast.parse(module.read_text())
    functions = [node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    bare = [each.name for each in functions if not each.name.startswith("_") and not ast.get_docstring(each)]

    assert bare == []
