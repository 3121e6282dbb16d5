"""ci_gpu.payload.perform: a check's own error is told, whatever else is wrong."""

from __future__ import annotations

import sys
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_gpu.payload import cuda_errors, perform
from ci_gpu.payload.wire import CheckResult, Fail, NotMade
from tests.needs import module

module("torch")


def raised(error: BaseException, device: str = "cpu") -> CheckResult:
    """What becomes of a check of the user's that raises this."""

    def check_it(device: str) -> None:
        raise error

    planted = types.ModuleType("planted_by_a_test")
    planted.check_it = check_it  # type: ignore[attr-defined]
    sys.modules["planted_by_a_test"] = planted
    try:
        return perform.check("planted.it", "planted_by_a_test", device)
    finally:
        del sys.modules["planted_by_a_test"]


@pytest.mark.parametrize("kind", [Fail, NotMade])
@given(cause=st.one_of(st.sampled_from(sorted(cuda_errors.CAUSES)), st.text(max_size=20)))
def test_a_cause_that_is_no_id_of_ours_does_not_leave_the_image(kind: type[Fail], cause: str) -> None:
    found = raised(kind("x", cause=cause))

    assert found.message == "x"
    assert found.cause == (cause if cause in cuda_errors.CAUSES else "")
