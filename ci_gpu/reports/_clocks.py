"""The blocks of a comparison in the order in which they ran, with the GPU's clock and temperature under them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

import msgspec
from markupsafe import Markup

from ci_gpu.model import Block, Trial
from ci_gpu.payload.wire import GpuState, Telemetry
from ci_gpu.reports import _text, _trial, _words

WIDTH, LEFT, RIGHT = 960, 112, 6
TOP, BOX, PANEL, GAP = 4, 20, 58, 20
LOOKS, BLOCKS, GPUS = 24, 96, 4
"""Of one block, one run and one machine, how much is drawn."""

_POWER_CAP = "power-cap"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One block as a line of the table. Texts that name throttle reasons and faults are foreign."""

    number: int
    pair: int
    arm: str
    seconds: str
    clock: str
    temperature: str
    power: str
    throttle: str
    control: str
    invalid: str


def rows(trial: Trial) -> list[Row]:
    """Every block, in order."""
    return [_row(number, block) for number, block in enumerate(trial.blocks[:BLOCKS], 1)]


def gpus(trial: Trial) -> list[str]:
    """The UUIDs of the GPUs that were watched, in the order of their first look."""
    seen = (one.gpu for block in trial.blocks for one in block.telemetry if one.states)
    return list(dict.fromkeys(seen))[:GPUS]


def chart(trial: Trial, gpu: str, name: str) -> Markup:
    """The picture of one GPU: boxes for the blocks, and under them two traces. Without a GPU the boxes alone."""
    blocks = trial.blocks[:BLOCKS]
    states = [_states(block, gpu) for block in blocks]
    boxes = "".join(_box(index, block, len(blocks)) for index, block in enumerate(blocks))
    y = TOP + BOX + GAP
    traces, height, title = "", TOP + BOX + 4, "The blocks in the order of the run"
    if gpu:
        traces = _panel("SM clock, MHz", states, blocks, y, lambda state: state.sm_mhz)
        traces += _panel("Temperature, °C", states, blocks, y + PANEL + GAP, lambda state: state.temperature)
        height = y + 2 * PANEL + GAP + 6
        title = "Clock and temperature in each block, in the order of the run"
    return Markup(  # noqa: S704  numbers and our own words
        f'<svg class="clocks" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="{name}-t {name}-d">'
        f'<title id="{name}-t">{title}</title><desc id="{name}-d">{_says(blocks, states if gpu else [])}</desc>'
        f'<text x="0" y="{TOP + 14.5}">Blocks</text>{boxes}{traces}</svg>'
    )


def _row(number: int, block: Block) -> Row:
    states = [state for one in block.telemetry for state in one.states]
    reasons = dict.fromkeys(reason for one in block.telemetry for reason in one.throttle)
    control = [call for call in block.control if call > 0]
    return Row(
        number=number,
        pair=block.pair,
        arm=block.arm if block.arm in _trial.LETTERS else "?",
        seconds=_words.seconds(block.seconds),
        clock=_range([state.sm_mhz for state in states], "MHz"),
        temperature=_range([state.temperature for state in states], "°C"),
        power=_range([state.power for state in states], "W"),
        throttle=", ".join(reasons),
        control=f"{_words.number(1e3 * statistics.median(control))} ms" if control else "",
        invalid=block.invalid,
    )


def _range(values: Sequence[float | None], unit: str) -> str:
    """``1965–1980 MHz``; empty where nothing was told."""
    known = [value for value in values if value is not None and abs(value) < 1e9]
    if not known:
        return ""
    low, high = f"{min(known):.0f}", f"{max(known):.0f}"
    return f"{low} {unit}" if low == high else f"{low}–{high} {unit}"


def _states(block: Block, gpu: str) -> list[GpuState]:
    """At most `LOOKS` of them: of each stretch the slowest, because a dip is what matters."""
    found = [state for one in _watched(block, gpu) for state in one.states]
    size = -(-len(found) // LOOKS) or 1
    stretches = [found[start : start + size] for start in range(0, len(found), size)]
    return [min(stretch, key=lambda state: state.sm_mhz if state.sm_mhz is not None else 0) for stretch in stretches]


def _watched(block: Block, gpu: str) -> list[Telemetry]:
    return [one for one in block.telemetry if one.gpu == gpu]


def _slot(index: int, count: int) -> tuple[float, float]:
    """Where a block begins, and how wide it is."""
    width = (WIDTH - LEFT - RIGHT) / max(count, 1)
    return LEFT + index * width, width


def _box(index: int, block: Block, count: int) -> str:
    x, width = _slot(index, count)
    kind = "invalid" if block.invalid else block.arm if block.arm in _trial.LETTERS else "unknown"
    mark = f"{_trial.letter(block)}{'!' if block.invalid else ''}"
    label = f'<text class="on" x="{x + width / 2:.1f}" y="{TOP + 14.5}" text-anchor="middle">{mark}</text>'
    box = f'<rect class="{kind}" x="{x + 1:.1f}" y="{TOP}" width="{max(width - 2, 1):.1f}" height="{BOX}" rx="3"/>'
    return box + (label if width > 14 else "")


def _panel(
    label: str,
    states: Sequence[list[GpuState]],
    blocks: Sequence[Block],
    y: float,
    read: Callable[[GpuState], float | None],
) -> str:
    known = [value for block in states for state in block if (value := _sane(read(state))) is not None]
    what, unit = label.split(", ")
    middle = y + PANEL / 2
    names = f'<text x="0" y="{middle - 3}">{what}</text><text x="0" y="{middle + 11}">{unit}</text>'
    if not known:
        return f'{names}<text x="{LEFT}" y="{middle}">not told by this GPU</text>'
    low, high = min(known), max(known)
    ends = "".join(
        f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at}" y2="{at}"/>'
        f'<text x="{LEFT - 6}" y="{at + 3.5}" text-anchor="end">{value:.0f}</text>'
        for at, value in ([(y, high), (y + PANEL, low)] if high > low else [(y + PANEL / 2, low)])
    )
    traces = [_trace(index, one, len(blocks), low, high, y, read) for index, one in enumerate(states)]
    kinds = ["invalid" if block.invalid else _trial.LETTERS.get(block.arm, "?") for block in blocks]
    drawn = "".join(
        f'<path class="trace {"invalid" if kind == "invalid" else "head" if kind == "B" else "base"}" d="{trace}"/>'
        for kind, trace in zip(kinds, traces, strict=True)
        if trace
    )
    return names + ends + drawn


def _trace(
    index: int,
    states: Sequence[GpuState],
    count: int,
    low: float,
    high: float,
    y: float,
    read: Callable[[GpuState], float | None],
) -> str:
    x, width = _slot(index, count)
    points = []
    for place, state in enumerate(states):
        value = _sane(read(state))
        if value is not None:
            share = (value - low) / (high - low) if high > low else 0.5
            across = x + 3 + (width - 6) * (place / (len(states) - 1) if len(states) > 1 else 0.5)
            points.append(f"{across:.1f} {y + PANEL * (1 - share):.1f}")
    if len(points) == 1:
        points *= 2
    return "M" + "L".join(points) if points else ""


def _sane(value: float | None) -> float | None:
    return float(value) if value is not None and abs(value) < 1e9 else None


def _says(blocks: Sequence[Block], states: Sequence[list[GpuState]]) -> str:
    clocks = [state.sm_mhz for one in states for state in one]
    heat = [state.temperature for one in states for state in one]
    readings = (("SM clock", _range(clocks, "MHz")), ("temperature", _range(heat, "°C")))
    bad = [number for number, block in enumerate(blocks, 1) if block.invalid]
    order = "".join(_trial.letter(block) for block in blocks)
    parts = [
        f"{_words.plural(len(blocks), 'block')}, order {order}",
        *(f"{what} {told or 'not told'}" for what, told in readings if states),
        f"invalid: {', '.join(f'block {number}' for number in bad)}" if bad else "none invalid",
    ]
    return _text.line("; ".join(parts))
