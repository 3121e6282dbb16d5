"""examples/compare.yml under the real act: two images from a registry, measured in turn, the comment with deltas, and
the history, which grows by a record a run.

How fast an image is says a variable in it, so that the answer does not depend on how busy this machine is.
"""

from __future__ import annotations

import re

import pytest

from tests.action.github import GitHub
from tests.action.workflow import PULL_REQUEST, Workflow
from tests.containers.ground import Ground

pytestmark = [pytest.mark.act, pytest.mark.contract, pytest.mark.engine]

PUSHED = "3" * 40
SPEED = '''
import os
from ci_gpu.payload import Metric

def check_rate(device):
    """As fast as the image says."""
    rate = float(os.environ["RATE"]) + os.getpid() % 7 / 1000
    yield Metric("rate", "m/s", "higher", tuple(rate * (1 + share / 1000) for share in range(5)))
'''


def kept(github: GitHub) -> int:
    """Records on the branch of the history."""
    return sum(path.startswith(f"pr/{PULL_REQUEST}/") for path in github.git.files("ci-gpu-history"))


def test_a_slower_image_blocks_the_merge_and_a_second_push_of_an_equal_one_lets_it_through(
    workflow: Workflow, github: GitHub, real_ground: Ground
) -> None:
    base = real_ground.pushed("steady", "1", "ci-gpu-test/speed")
    slower = real_ground.pushed("slower", "2", "ci-gpu-test/speed")
    (workflow.folder / "checks").mkdir()
    (workflow.folder / "checks/speed.py").write_text(SPEED)
    checks = {"checks_dir": str(workflow.folder / "checks"), "checks": "speed", "pairs": "4"}
    inputs = {"name": "compare", "baseline_image": base, **checks}
    red = workflow.run(slower, **inputs)

    assert red.jobs == {"gpu": "failure", "gate": "failure"}, red.log
    assert (red.outputs["conclusion"], red.outputs["exit-code"]) == ("failure", "1"), red.log
    assert int(red.outputs["regressed"]) >= 1
    (comment,) = github.comments[PULL_REQUEST]
    assert re.search(r"🔴 \| `speed.rate/rate` \| `100.2 m/s` \| `90.1\d m/s` \| -10.0 %", comment["body"])
    assert "**regressed**" in comment["body"]
    assert kept(github) == 1, red.log

    green = workflow.run(base, sha=PUSHED, **inputs)

    assert green.jobs == {"gpu": "success", "gate": "success"}, green.log
    (updated,) = github.comments[PULL_REQUEST]
    assert updated["id"] == comment["id"]
    assert "**unchanged**" in updated["body"]
    assert "regressed**" not in updated["body"]
    assert kept(github) == 2
