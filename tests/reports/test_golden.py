"""Reports as a person sees them: ``CI_GPU_UPDATE_GOLDEN=1 pytest tests/reports`` writes them anew: read the diff."""

import os
from pathlib import Path

import pytest

from ci_gpu import reports
from tests import samples

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", reports.names())
@pytest.mark.parametrize("sample", samples.all_samples())
def test_looks_as_it_did(name, sample):
    module = reports.load(name)
    path = GOLDEN / f"{sample}{module.SUFFIX}"
    text = module.render(samples.all_samples()[sample])
    if os.environ.get("CI_GPU_UPDATE_GOLDEN") == "1":
        path.write_text(text, "utf-8")
    assert path.read_text("utf-8") == text
