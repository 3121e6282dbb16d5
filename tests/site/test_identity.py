"""ci_gpu.site.identity"""

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_gpu.model import SeriesKey
from ci_gpu.site import identity
from tests.site import histories


def test_the_name_of_a_page_does_not_change_between_releases():
    assert identity.of_series(histories.key()) == "matmul-bfloat16-throughput-nvidia-h100-80gb-hbm3-4ad006c1c52e"
    assert identity.of_run("18200001-1-gpu") == "run-98049d0435"


@pytest.mark.parametrize("field", SeriesKey.__struct_fields__)
def test_a_key_that_differs_in_any_field_has_another_page(field):
    one = histories.key()
    value = getattr(one, field)
    other = msgspec.structs.replace(one, **{field: value + 1 if isinstance(value, int) else f"{value}x"})
    assert identity.of_series(one) != identity.of_series(other)


@given(st.text(st.characters(codec=None)), st.text(st.characters(codec=None)))
def test_any_key_and_any_run_make_a_name_that_is_safe_in_a_path_and_a_link(metric, gpu):
    name = identity.of_series(SeriesKey(metric=metric, gpu=gpu))
    assert re.fullmatch(r"[a-z0-9-]{1,100}", name)
    assert re.fullmatch(r"run-[0-9a-f]{10}", identity.of_run(metric))


def test_a_change_has_an_anchor_of_its_two_runs():
    one = histories.change_point(histories.series())
    assert identity.of_change(one) == identity.of_change(msgspec.structs.replace(one, p=0.5, state="suspicious"))
    assert identity.of_change(one) != identity.of_change(msgspec.structs.replace(one, after="other"))
