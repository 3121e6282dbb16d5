"""ci_gpu.site.matrix"""

import msgspec

from ci_gpu.site import matrix
from ci_gpu.site.line import read
from tests.site import histories


def lines(*series):
    return [read(one, (), 1000) for one in series]


def series(metric, *points, **changes):
    one = histories.series(key=histories.key(metric=metric, **changes), unit="ms", better="lower")
    return msgspec.structs.replace(one, points=points)


def test_a_cell_has_the_newest_value_of_the_image_and_its_verdict():
    old, new = histories.point(0, value=1.0), histories.point(1, value=2.0, verdict="regressed")
    hot = histories.point(2, value=9.0, masked="hot")
    grid = matrix.build(lines(series("softmax.float32/forward", old, new, hot)))
    ((image, ((family,),)),) = grid.rows
    assert image == histories.IMAGES[0][0]
    assert (family.name, family.verdict, family.text, family.query) == ("softmax", "regressed", "2 ms", "")
    assert family.line.startswith("softmax-float32-forward-")


def test_of_a_family_the_worst_verdict_stands_and_how_many_have_it():
    verdicts = ("unchanged", "inconclusive", "inconclusive", "")
    found = [
        series(f"matmul.case{index}/time", histories.point(0, verdict=word)) for index, word in enumerate(verdicts)
    ]
    ((_, ((family,),)),) = matrix.build(lines(*found)).rows
    assert (family.verdict, family.text, family.line) == ("inconclusive", "2 of 4", "")
    assert family.query == "matmul.%20NVIDIA%20H100%2080GB%20HBM3%203f2a9c%2C%20700%20W"


def test_the_newest_image_is_first_and_an_image_that_a_gpu_never_ran_has_an_empty_cell():
    one = series("a.b/time", histories.point(0), histories.point(95))
    two = series("a.b/time", histories.point(0), gpu="NVIDIA A100-SXM4-80GB", uuid="77")
    grid = matrix.build(lines(one, two))
    assert [name for name, _ in grid.rows] == [histories.IMAGES[3][0], histories.IMAGES[0][0]]
    assert [len(cell) for cell in grid.rows[0][1]] == [0, 1]
    assert grid.gpus[0].startswith("NVIDIA A100")


def test_it_has_bounds_and_says_what_is_left_out():
    points = [histories.point(index, image=f"image:{index}") for index in range(30)]
    found = [series("a.b/time", *points, uuid=f"{index:06}") for index in range(20)]
    grid = matrix.build(lines(*found))
    assert (len(grid.rows), len(grid.gpus)) == (matrix.IMAGES, matrix.GPUS)
    assert (grid.images_left_out, grid.gpus_left_out) == (30 - matrix.IMAGES, 20 - matrix.GPUS)
    assert grid.rows[0][0] == "image:29"
