"""What is said of a run beside its verdict: what waits for a merge, and a comparison of an image with itself."""

from __future__ import annotations

from collections.abc import Iterator

from ci_gpu.environment_diff import is_same
from ci_gpu.model import Reason, RunReport


def of(report: RunReport) -> Iterator[Reason]:
    """Reasons that shut nothing: their exit code is 0."""
    yield from _proposed(report)
    yield from _same_image(report)


def _proposed(report: RunReport) -> Iterator[Reason]:
    """Of a pull request's ci-gpu.toml, what does not hold in this run."""
    image, asked = report.images[0].name if report.images else "", report.proposal
    if asked.unread:
        message = f"the base branch's could not be read, so the defaults hold in its place: {asked.unread}"
        yield Reason(exit_code=0, kind="base-unread", image=image, subject="ci-gpu.toml", message=message)
    for change in asked.pending:
        message = f"takes effect when it is merged: {change}"
        yield Reason(exit_code=0, kind="pending", image=image, subject="ci-gpu.toml", message=message)


def _same_image(report: RunReport) -> Iterator[Reason]:
    """Reports of two machines may be of one image on purpose."""
    if report.trial and not report.trial.machines and len(report.images) == 2:
        head, base = report.images
        if is_same(base.image, head.image):
            message = f"the baseline {base.name} is the same image: only chance can differ; name the one that is in use"
            yield Reason(exit_code=0, kind="same-image", image=head.name, subject="", message=message)
