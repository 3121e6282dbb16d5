"""pytest-benchmark's JSON (``--benchmark-json``): the median of each benchmark, in seconds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime, timezone

import msgspec

from ci_gpu.history import document
from ci_gpu.history.record import Image, Machine, Measurement, Record, hashed
from ci_gpu.model import SeriesKey

MAX_BYTES = 200 << 20


class _Cpu(msgspec.Struct):
    brand_raw: str = ""


class _Machine(msgspec.Struct):
    node: str = ""
    machine: str = ""
    system: str = ""
    cpu: _Cpu = msgspec.field(default_factory=_Cpu)


class _Commit(msgspec.Struct):
    id: str | None = ""
    branch: str | None = ""


class _Stats(msgspec.Struct):
    median: float


class _Benchmark(msgspec.Struct):
    fullname: str
    stats: _Stats


class _File(msgspec.Struct):
    benchmarks: list[_Benchmark]
    datetime: str
    machine_info: _Machine
    commit_info: _Commit = msgspec.field(default_factory=_Commit)
    version: str = ""


def fits(data: bytes) -> bool:
    """Whether this looks like one: no other file that we read has both words."""
    return b'"machine_info"' in data and b'"benchmarks"' in data


def read(data: bytes, source: str, salt: str) -> Iterator[Record]:
    """The one record of a file.

    Raises:
        ConfigError: it is no such file.
    """
    if len(data) > MAX_BYTES:
        raise document.bad(source, "it is too large")
    try:
        found = msgspec.json.decode(data, type=_File)
        moment = datetime.fromisoformat(found.datetime.replace("Z", "+00:00"))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise document.bad(source, f"it is no file of pytest-benchmark: {str(error)[:200]}") from error
    utc = moment.replace(tzinfo=moment.tzinfo or timezone.utc).astimezone(timezone.utc)
    yield _record(found, utc.strftime("%Y-%m-%dT%H:%M:%SZ"), hashlib.sha256(data).hexdigest()[:20], salt)


def _record(found: _File, created: str, digest: str, salt: str) -> Record:
    host = found.machine_info
    machine = Machine(id=hashed(host.node, salt), machine=host.machine, system=host.system)
    cpu = host.cpu.brand_raw or host.machine
    return Record(
        run=f"pytest-{digest}",
        created=created,
        version=f"pytest-benchmark {found.version}".strip(),
        branch=found.commit_info.branch or "",
        commit=found.commit_info.id or "",
        device="cpu",
        machine=machine,
        images=(Image(name="pytest-benchmark"),),
        measurements=tuple(
            Measurement(
                key=SeriesKey(metric=bench.fullname, device="cpu", gpu=cpu, uuid=machine.id),
                unit="s",
                better="lower",
                image="pytest-benchmark",
                value=bench.stats.median,
            )
            for bench in found.benchmarks
        ),
    )
