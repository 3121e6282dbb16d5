"""What is known of an image without a check, as metrics like any other."""

from __future__ import annotations

from ci_gpu.compare.readings import of_the_image
from ci_gpu.model import PulledImage
from ci_gpu.payload.wire import CheckResult, Metric
from tests import samples

SIZE = Metric("size", "B", "lower", (9e9,), exact=True)
IMPORT = Metric("torch", "s", "lower", (2.5,))
IMAGE = PulledImage(reference="docker.io/a/b:c", size=9_000_000_000)


def test_its_size_is_exact_and_its_import_is_timed() -> None:
    assert of_the_image(IMAGE, samples.environment(import_seconds=2.5)) == (
        CheckResult("image.size", "passed", metrics=(SIZE,)),
        CheckResult("image.import", "passed", metrics=(IMPORT,)),
    )


def test_what_is_not_known_is_no_metric() -> None:
    """The local engine knows no size; an image whose torch did not start has no import."""
    size, seconds = of_the_image(IMAGE, samples.environment(import_seconds=2.5))

    assert of_the_image(IMAGE, None) == of_the_image(IMAGE, samples.environment(import_seconds=0.0)) == (size,)
    assert of_the_image(PulledImage(reference="x"), samples.environment(import_seconds=2.5)) == (seconds,)
