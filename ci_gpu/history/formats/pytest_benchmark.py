"""pytest-benchmark's JSON (``--benchmark-json``): the median of each benchmark, in seconds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime, timezone

import msgspec

from ci_gpu import misread
from ci_gpu.errors import ConfigError
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
        raise _bad(source, f"at most {MAX_BYTES} bytes are read, and there are {len(data)}")
    try:
        found = msgspec.json.decode(data, type=_File)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise misread.of_json(misread.PYTEST, source, error) from error
    fault = next(_faults(found), "")
    if fault:
        raise _bad(source, fault)
    kept = _record(found, _created(found, source), hashlib.sha256(data).hexdigest()[:20], salt)
    yield document.decode(msgspec.json.encode(kept), source)


def _created(found: _File, source: str) -> str:
    try:
        moment = datetime.fromisoformat(found.datetime.replace("Z", "+00:00"))
        utc = moment.replace(tzinfo=moment.tzinfo or timezone.utc).astimezone(timezone.utc)
    except (ValueError, OverflowError) as error:
        said = f"datetime: {misread.TIME}, and {found.datetime[:40]!r} is none"
        raise _bad(source, said) from error
    return utc.strftime("%Y-%m-%dT%H:%M:%SZ")


def _faults(found: _File) -> Iterator[str]:
    """What no record can hold, each with its field: in the file, not in the record that is made of it."""
    for number, bench in enumerate(found.benchmarks):
        if not document.line(bench.fullname):
            yield f"benchmarks[{number}].fullname: the name of a benchmark is expected, and it is empty"
    commit, host = found.commit_info, found.machine_info
    texts = {
        **{f"benchmarks[{number}].fullname": bench.fullname for number, bench in enumerate(found.benchmarks)},
        "version": found.version,
        "commit_info.branch": commit.branch or "",
        "commit_info.id": commit.id or "",
        "machine_info.machine": host.machine,
        "machine_info.system": host.system,
        "machine_info.cpu.brand_raw": host.cpu.brand_raw,
    }
    faults = ((field, document.text_fault(document.line(text))) for field, text in texts.items())
    yield from (f"{field}: {fault}" for field, fault in faults if fault)


def _bad(source: str, said: str) -> ConfigError:
    return misread.error(misread.PYTEST, source, said)


def _record(found: _File, created: str, digest: str, salt: str) -> Record:
    host = found.machine_info
    machine = Machine(
        id=hashed(host.node, salt), machine=document.line(host.machine), system=document.line(host.system)
    )
    cpu = document.line(host.cpu.brand_raw or host.machine)
    return Record(
        run=f"pytest-{digest}",
        created=created,
        version=document.line(f"pytest-benchmark {found.version}"),
        branch=document.line(found.commit_info.branch or ""),
        commit=document.line(found.commit_info.id or ""),
        device="cpu",
        machine=machine,
        images=(Image(name="pytest-benchmark"),),
        measurements=tuple(
            Measurement(
                key=SeriesKey(metric=document.line(bench.fullname), device="cpu", gpu=cpu, uuid=machine.id),
                unit="s",
                better="lower",
                image="pytest-benchmark",
                value=bench.stats.median,
            )
            for bench in found.benchmarks
        ),
    )
