"""What GitHub's runner obeys of a step's log, as its public source has it (actions/runner, ActionCommand.cs and
ActionCommandManager.cs): ``::name …::`` behind white space at the start of a line, ``##[name …]`` anywhere in one, both
for names that it knows; after ``::stop-commands::TOKEN`` only ``::TOKEN::``.

`StartsWith` and `IndexOf` compare as the language of the machine has it, where .NET takes no notice of what is
invisible (its documentation, "String comparisons using culture"): so one with a zero width space in it is one, too.
"""

from __future__ import annotations

import re

COMMANDS = (
    "add-mask", "add-matcher", "add-path", "debug", "echo", "endgroup", "error", "group", "notice", "remove-matcher",
    "save-state", "set-env", "set-output", "stop-commands", "warning",
)  # fmt: skip

_IGNORED = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
"""Default ignorable code points of Unicode (DerivedCoreProperties.txt), and controls, which collation ignores, too."""


def obeyed(log: str) -> list[str]:
    """The commands that the runner takes from a log, as ``name message``, in its order."""
    found, token = [], ""
    for line in re.split(r"\r\n|\r|\n", log):  # as StreamReader.ReadLine has it
        name, message = _parsed(line, token)
        if token and name == token:
            token = ""
        elif name == "stop-commands" and not token:
            token = message
        elif name and not token:
            found.append(f"{name} {message}")
    return found


def _parsed(line: str, token: str) -> tuple[str, str]:
    plain = _IGNORED.sub("", line)
    for pattern in (r"\s*::(\S*?)(?:\s[^:]*(?::[^:]+)*)?::(.*)", r".*?##\[([^\s\]]*)[^\]]*\](.*)"):
        match = re.fullmatch(pattern, plain)
        if match and match[1].lower() in (*COMMANDS, token.lower()):
            return match[1].lower(), match[2]
    return "", ""
