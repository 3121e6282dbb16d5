"""A user's mistake in a file of checks is told with its file and line: none is quietly no check, or the image's."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from ci_gpu import catalogue, config, plan
from ci_gpu.errors import ConfigError

GOOD = "def check_ok(device):\n    return ()\n"

MISTAKES = {
    "capital letters": ("def check_Shape(device): ...", 1, "check_Shape is no name of a check"),
    "other letters": ("def check_größe(device): ...", 1, "no name of a check"),
    "no name": ("def check_(device): ...", 1, "no name of a check"),
    "twice": (f"{GOOD}\n{GOOD}", 4, "check_ok is there twice: Python would forget the one in line 1"),
    "async": ("async def check_a(device): ...", 1, "check_a is async"),
    "in a class": (f"{GOOD}class Mine:\n    def check_a(self, device): ...", 4, "inside the class Mine"),
    "in a function": (f"{GOOD}def make():\n    def check_a(device): ...", 4, "inside the function make"),
    "in an if": (f"{GOOD}if True:\n    def check_a(device): ...", 4, "inside a block"),
    "in a try": (f"{GOOD}try:\n    pass\nexcept ImportError:\n    def check_a(device): ...", 6, "inside a block"),
    "in a match": (f"{GOOD}match 1:\n    case 1:\n        def check_a(device): ...", 5, "inside a block"),
    "named for pytest": (f"{GOOD}def test_a(device): ...", 3, "test_a is not named as a check"),
    "named in another way": (f"{GOOD}def checkA(device): ...", 3, "checkA is not named as a check"),
    "capital prefix": (f"{GOOD}def Check_a(device): ...", 3, "Check_a is not named as a check"),
    "no argument": ("def check_a(): ...", 1, "check_a does not take one argument, the device"),
    "two arguments": ("def check_a(device, size): ...", 1, "one argument"),
    "a named argument": ("def check_a(*, device): ...", 1, "one argument"),
    "no Python": ("\n\ndef check_a(device:\n", 3, "this is no Python"),
    "a return at the top": ("x = 1\nreturn\n", 2, "this is no Python"),
    "a null byte": ("x = '\0'", 1, "this is no Python"),
    "a time of nothing": ("TIMEOUT = 0", 1, "TIMEOUT"),
    "a time beyond a day": (f"{GOOD}TIMEOUT = 10 ** 400", 3, "TIMEOUT"),
    "a huge time": (f"TIMEOUT = {'9' * 400}", 1, "TIMEOUT"),
    "a time that is a word": ("TIMEOUT = '60'", 1, "TIMEOUT"),
    "a time that is true": ("TIMEOUT: int = True", 1, "TIMEOUT"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_with_its_file_and_line(mistake: str, tmp_path: Path) -> None:
    source, line, said = MISTAKES[mistake]
    (tmp_path / "mine.py").write_text(source)

    with pytest.raises(ConfigError) as caught:
        config.targets((), {"engine": "local", "checks_dir": str(tmp_path)}, None)

    assert caught.value.what.startswith(f"{tmp_path}/mine.py:{line}: ")
    assert said in caught.value.what
    assert caught.value.kind == "bad-check"


@pytest.mark.parametrize(
    "source",
    [
        "def check_a(device, size=3): ...",
        "def check_a(*devices): ...",
        "@parametrized(3)\ndef check_a(device, size): ...",
        "@needs_gpu\n@payload.on_every_gpu\ndef check_a(device): ...",
        "def check_a(device):\n    def helper(): ...\n    class Model: ...",
        "TIMEOUT = 86400\nfrom library import check_array\ncheck_interval = 3\n\ndef check_a(device): ...",
        "def check_a(device): ...\n\ndef checked(x): ...\n\ndef tested(x): ...",
        "\ufeffdef check_a(device): ...",
        "x = '\\d'\ndef check_a(device): ...",
        "def check_a(device):\n    if device == 0:\n        pass\n" + "    elif device == 1:\n        pass\n" * 300,
    ],
)
def test_what_is_right_is_taken(source: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(source)
    infos, _ = catalogue.check_infos(str(tmp_path))

    assert "mine.a" in {info.id for info in infos}


@pytest.mark.attack
@pytest.mark.parametrize("deep", ["-" * 30_000 + "1", "+".join("1" * 60_000), "(" * 30_000, "[" * 150 + "]" * 150])
def test_a_file_of_checks_is_nested_deep(deep: str, tmp_path: Path) -> None:
    """A pull request's check is nested as deep as no reader goes, to end the run as a fault of ours. Python's own limit
    is the file's mistake.
    """
    (tmp_path / "mine.py").write_text(f"{GOOD}x = {deep}\n")
    with contextlib.suppress(ConfigError):  # how deep Python reads differs by its version
        assert catalogue.check_infos(str(tmp_path))


def test_a_folder_without_a_check_is_a_mistake_and_a_file_of_helpers_beside_one_is_not(tmp_path: Path) -> None:
    (tmp_path / "helpers.py").write_text("def half(x): ...")
    with pytest.raises(ConfigError, match=r"there is no check in --checks-dir .*helpers\.py"):
        catalogue.check_infos(str(tmp_path))

    (tmp_path / "mine.py").write_text(GOOD)
    assert "mine.ok" in {info.id for info in catalogue.check_infos(str(tmp_path))[0]}


@pytest.mark.attack
@pytest.mark.parametrize("name", ["control", "matmul"])
def test_a_file_of_checks_takes_the_place_of_ours(name: str, tmp_path: Path) -> None:
    """A pull request brings checks of its own named as one of ours, such as the negative control, whose drift would
    then hide a slower image. The name is refused, and the control is always ours, whatever is sent along.
    """
    (tmp_path / f"{name}.py").write_text(GOOD)
    with pytest.raises(ConfigError) as caught:
        catalogue.check_infos(str(tmp_path))
    control = catalogue.CheckInfo(family="control", name="kernel", proves="", needs_gpu=True, timeout=None)
    sources = {"control": GOOD}
    sent = plan.guest((control,), device="cpu", timeout=60, python="python3", user_sources=sources)

    assert "its name is one of ours" in caught.value.why
    assert b"ci_gpu.payload.control" in sent.stdin
    assert b"ci_gpu_user_checks.control" not in sent.stdin


@pytest.mark.parametrize("name", ["Mine", "1st", "_mine", "mi-ne", "class", "größe"])
def test_a_name_of_a_file_says_what_is_wrong_with_it(name: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.py").write_text(GOOD)
    with pytest.raises(ConfigError) as caught:
        catalogue.check_infos(str(tmp_path))

    assert caught.value.why == "its name is no lower-case Python name"
