"""Mutation testing: which small changes of the judging code no test would see.

    make mutants [MODULES="ci_gpu/verdict.py …"] [ARGS="--write"]

For each module: how many mutants its tests killed, and each survivor with what is known of it (its reading, from
benchmarks/results/mutants.json, which ``--write`` renews). At the end the modules whose code is no longer the one that
was measured; ``--stale`` lists these and measures nothing. Exit code 1 if a module is below 90 %.

No clock decides: a mutant may use so much processor time, which a busy machine does not use up. Those that did are
counted as killed, and told apart in the record (``endless``).

The mutants are those of cosmic-ray, without the ones in annotations, which nothing evaluates, and two of our own for
strings, because the tables of versions are made of them. Its runner is not used: it writes mutants into the working
tree and starts an interpreter for each. Here each mutant is a forked process, in which the import system gives out the
mutant instead of the file. mutmut 3 was tried: it leaves alone what is outside of functions, where our tables are.
"""

from __future__ import annotations

import argparse
import ast
import datetime
import gc
import hashlib
import importlib.util
import json
import os
import random
import re
import resource
import signal
import sys
from collections.abc import Iterable, Iterator
from importlib.machinery import ModuleSpec, SourceFileLoader
from multiprocessing import connection, get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple, NoReturn

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "mutants.json"
AIM = 0.9
PRELOADED = ("hypothesis", "msgspec", "numpy", "requests", "rich", "scipy.stats", "torch")
"""Imported once, before the fork; nothing of ours may be, because a mutant has to be imported anew."""
OPTIONS = ("-x", "-q", "--tb=no", "--assert=plain", "-p", "no:cacheprovider")
OPTIONS += (
    "-p",
    "no:unraisableexception",
)  # which collects all garbage, twice
MEMORY = 2 << 30
"""Bytes that a mutant may have beside what it inherits: an endless loop may also fill a list."""

_COMPARE = tuple(f"tests/compare/test_{name}.py" for name in ("effects", "margins", "noise", "clocks", "readings"))
_COMPARE += tuple(f"tests/compare/test_{name}.py" for name in ("side_by_side", "compare", "compare_bounds", "failures"))
_COMPARE += ("tests/compare/test_compare_properties.py",)


def _of_changes(name: str) -> tuple[str, ...]:
    """The module's own tests first."""
    names = ("changes", "divisive", "levels", "noise", "potts", "recent")
    own = "changes" if name == "__init__" else name
    return tuple(
        f"tests/changes/test_{each}.py" for each in sorted(names, key=lambda each: (each != own, each == "changes"))
    )


TESTS = {
    "ci_gpu/payload/archs.py": ("tests/payload/test_archs.py",),
    "ci_gpu/payload/cuda_errors.py": ("tests/payload/test_cuda_errors.py",),
    "ci_gpu/payload/drivers.py": ("tests/payload/test_drivers.py",),
    "ci_gpu/payload/peaks.py": ("tests/payload/test_peaks.py",),
    "ci_gpu/payload/tags.py": ("tests/payload/test_tags.py",),
    "ci_gpu/verdict.py": ("tests/test_verdict.py", "tests/reports/test_advice.py"),
    "ci_gpu/gpus.py": ("tests/test_verdict.py",),
    "ci_gpu/policy.py": ("tests/test_wish.py", "tests/compare/test_margins.py"),
    **{f"ci_gpu/compare/{name}.py": _COMPARE for name in ("__init__", "clocks", "effects", "margins", "noise")},
    **{f"ci_gpu/compare/{name}.py": _COMPARE for name in ("failures", "readings", "side_by_side")},
    "ci_gpu/compare/spoiling.py": ("tests/test_telemetry.py", "tests/test_forged_reports.py"),
    "ci_gpu/compare/judged.py": ("tests/compare/test_judged.py", "tests/compare/test_side_by_side.py"),
    **{
        f"ci_gpu/changes/{name}.py": _of_changes(name)
        for name in ("__init__", "divisive", "levels", "noise", "potts", "recent")
    },
}
"""The tests that are to kill the mutants of a module, the quick ones first: the first that fails ends it."""

_OF_COSMIC_RAY = re.compile(
    r"""core/(
        ReplaceBinaryOperator_(Add_Sub|Sub_Add|Mul_Div|Div_Mul|FloorDiv_Div|Mod_Mul|Pow_Mul|BitOr_BitAnd|BitAnd_BitOr)
      | ReplaceComparisonOperator_(Eq_NotEq|NotEq_Eq|Is_IsNot|IsNot_Is)
      | ReplaceComparisonOperator_(Lt_LtE|Lt_GtE|LtE_Lt|LtE_Gt|Gt_GtE|Gt_LtE|GtE_Gt|GtE_Lt)
      | ReplaceUnaryOperator_(USub_UAdd|Delete_Not|Delete_Invert)
      | Replace(True|False|And|Or|Break|Continue)With\w+
      | AddNot | ExceptionReplacer | NumberReplacer | RemoveDecorator | ZeroIterationForLoop
    )""",
    re.VERBOSE,
)
"""One or two for each operator: its opposite and its neighbour. The others (``+`` as ``>>``) die by a TypeError, and
would only make the share look better.
"""


ALIVE, KILLED, ENDLESS = "alive", "killed", "endless"


class Mutant(NamedTuple):
    line: int
    was: str
    becomes: str
    source: str


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", default=list(TESTS), metavar="MODULE", help="default: all of the table")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="only N mutants of each module, by chance")
    parser.add_argument("--again", action="store_true", help="only those that survived the last time")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.relative_to(ROOT)}")
    parser.add_argument("--stale", action="store_true", help="only list what changed since it was measured")
    options = parser.parse_args()
    unknown = sorted(set(options.modules) - set(TESTS))
    if unknown:
        parser.error(f"no tests are named for {', '.join(unknown)}: known are {', '.join(TESTS)}")
    changed = sorted(set(options.modules) & set(stale(_record())))
    if options.again and changed:
        parser.error(f"changed since their mutants were killed, measure them whole: {', '.join(changed)}")
    below = not options.stale and _run(options)
    for module, state in stale(_record()).items():
        print(f"{module}: {state}")
    return int(below)


def stale(record: dict[str, Any]) -> dict[str, str]:
    """What the record does not tell of the code as it is, of which modules."""
    now = {module: fingerprint((ROOT / module).read_text()) for module in TESTS}
    return {
        module: f"changed since {record[module]['date']}, when it was measured" if module in record else "not measured"
        for module, code in now.items()
        if code != record.get(module, {}).get("code")
    }


def fingerprint(source: str) -> str:
    """Of the program alone: the same without comments, documentation and layout, and with any Python."""
    return hashlib.sha256(repr(_program(ast.parse(source))).encode()).hexdigest()[:16]


def _program(node: Any) -> Any:
    """A syntax tree as tuples, without what is empty: ``ast.dump`` writes that or not, and each Python has more."""
    if isinstance(node, list):
        return [_program(each) for each in node if not (isinstance(each, ast.Expr) and _is_text(each.value))]
    if not isinstance(node, ast.AST):
        return node
    fields = ((name, _program(value)) for name, value in ast.iter_fields(node) if name != "kind")
    return (type(node).__name__, *((name, value) for name, value in fields if value not in (None, [])))


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _record() -> dict[str, Any]:
    return dict(json.loads(RESULTS.read_text())) if RESULTS.exists() else {}


def _run(options: argparse.Namespace) -> bool:
    """Whether a module is below the aim."""
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    for name in PRELOADED:
        importlib.import_module(name)
    gc.freeze()  # or each fork would look through what it has inherited
    found = {}
    for module in options.modules:
        found[module] = measured(module, options, _record().get(module, {}))
        _tell(module, found[module])
        if options.write:
            text = json.dumps({**_record(), module: found[module]}, indent=1, ensure_ascii=False, sort_keys=True)
            RESULTS.write_text(f"{text}\n")
    return any(result["killed"] < AIM * result["mutants"] for result in found.values())


def measured(module: str, options: argparse.Namespace, known: dict[str, Any]) -> dict[str, Any]:
    """How the mutants of a module fared, with what is already known of those that survive."""
    readings = {(one["was"], one["becomes"]): one["reading"] for one in known.get("survivors", ())}
    source, limit = Path(module).read_text(), _limit(module)
    made = list(mutants_of(source))
    chosen = random.Random(0).sample(made, options.sample) if 0 < options.sample < len(made) else made
    tried = [one for one in made if (one.was, one.becomes) in readings] if options.again else chosen
    fates = list(fates_of(module, tried, options.jobs, limit))
    alive = [
        {"line": one.line, "was": one.was, "becomes": one.becomes, "reading": readings.get((one.was, one.becomes), "")}
        for one, fate in sorted(fates)
        if fate == ALIVE
    ]
    mutants = known.get("mutants", 0) if options.again else len(chosen)
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "code": fingerprint(source),
        "tests": list(TESTS[module]),
        "made": len(made),
        "mutants": mutants,
        "killed": mutants - len(alive),
        "endless": [fate for _, fate in fates].count(ENDLESS) + (known.get("endless", 0) if options.again else 0),
        "survivors": alive,
    }


def _tell(module: str, result: dict[str, Any]) -> None:
    share = result["killed"] / max(1, result["mutants"])
    print(f"{module}: {result['killed']} of {result['mutants']} mutants killed, {share:.1%}", flush=True)
    for one in result["survivors"]:
        print(f"  {module}:{one['line']}: {one['reading'] or 'NOT READ YET'}")
        print(f"    - {one['was']}\n    + {one['becomes']}", flush=True)


# The mutants


def mutants_of(source: str) -> Iterator[Mutant]:
    """Each once; what cannot be compiled, or is the same program, is none."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.mutating import mutate_code

    nodes, seen = list(ast_nodes(get_ast(source))), {ast.dump(ast.parse(source))}
    for operator in _operators():
        places = [node for node in nodes for _ in operator.mutation_positions(node)]
        for occurrence, node in enumerate(places):
            mutated = None if _is_inert(node) else mutate_code(source, operator, occurrence)
            tree = _tree(mutated)
            if mutated and tree and tree not in seen:
                seen.add(tree)
                yield _mutant(source, mutated)


def _tree(source: str | None) -> str:
    try:
        return ast.dump(ast.parse(source or ""))
    except SyntaxError:
        return ""


def _mutant(source: str, mutated: str) -> Mutant:
    """With its first line that differs; a mutant differs in one place."""
    pairs = zip(source.splitlines(), mutated.splitlines(), strict=False)
    number, (was, becomes) = next((number, pair) for number, pair in enumerate(pairs, 1) if pair[0] != pair[1])
    return Mutant(number, was.strip(), becomes.strip(), mutated)


def _operators() -> Iterator[Any]:
    from cosmic_ray.plugins import get_operator, operator_names

    yield from (get_operator(name)() for name in operator_names() if _OF_COSMIC_RAY.fullmatch(name))
    yield from _of_strings()


def _of_strings() -> Iterator[Any]:
    """A string emptied (an empty one filled), and the last number in one made larger: versions are strings."""
    from cosmic_ray.operators.operator import Operator

    class StringReplacer(Operator):  # type: ignore[misc]
        def mutation_positions(self, node: Any) -> Iterator[Any]:
            if node.type == "string" and not _is_documentation(node):
                yield from [(node.start_pos, node.end_pos)] * len(_changed(node.value))

        def mutate(self, node: Any, index: int) -> Any:
            node.value = _changed(node.value)[index]
            return node

        @classmethod
        def examples(cls) -> tuple[()]:
            return ()

    yield StringReplacer()


def _changed(literal: str) -> list[str]:
    prefix = "b" if literal[:1] in "bB" else ""
    emptied = f'{prefix}""' if ast.literal_eval(literal) else f'{prefix}"XX"'
    larger = re.sub(r"\d+(?=\D*$)", lambda match: str(int(match[0]) + 1).zfill(len(match[0])), literal)
    return [emptied, larger] if larger != literal else [emptied]


def _is_documentation(node: Any) -> bool:
    return bool(node.parent.type in ("simple_stmt", "file_input"))


def _is_inert(node: Any) -> bool:
    """Whether the node is part of a type (``name: str | None``, ``-> bool``), or a star of a signature."""
    if node.type == "operator" and node.parent.type in ("param", "parameters", "star_expr", "argument"):
        return True
    while node.parent is not None:
        above = node.parent
        of_name = above.type in ("annassign", "tfpdef") and node is above.children[-1 if above.type == "tfpdef" else 1]
        if of_name or (above.type == "funcdef" and node is above.annotation):
            return True
        node = above
    return False


# Their tests


def _limit(module: str) -> int:
    """The seconds of CPU that a mutant may take, from what the code as it is takes; that has to pass."""
    source, before = Path(module).read_text(), _used()
    whole, ruins = (Mutant(0, "", "", text) for text in (source, "raise SystemError"))
    if list(fates_of(module, (ruins, whole), 1, 600)) != [(ruins, KILLED), (whole, ALIVE)]:
        raise SystemExit(f"{' '.join(TESTS[module])}: not green as it is, or {module} is not imported")
    return 10 + 5 * round(_used() - before)


def _used() -> float:
    """Seconds of CPU, of all children so far."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def fates_of(module: str, mutants: Iterable[Mutant], jobs: int, limit: int) -> Iterator[tuple[Mutant, str]]:
    """The mutants in the order in which they end, with what the tests of the module did to each."""
    running: list[tuple[BaseProcess, Mutant]] = []
    for mutant in mutants:
        running.append((_started(module, mutant.source, limit), mutant))
        if len(running) >= jobs:
            yield from _ended(running)
    while running:
        yield from _ended(running)


def _ended(running: list[tuple[BaseProcess, Mutant]]) -> Iterator[tuple[Mutant, str]]:
    ready = connection.wait([process.sentinel for process, _ in running])
    for process, mutant in [pair for pair in running if pair[0].sentinel in ready]:
        running.remove((process, mutant))
        process.join()
        yield mutant, _fate(process.exitcode)


def _fate(status: int | None) -> str:
    """By the exit status of pytest: above 0 something failed. What another signal ended, no test has killed."""
    if status == -signal.SIGXCPU:
        return ENDLESS
    return KILLED if status and status > 0 else ALIVE


def _started(module: str, source: str, limit: int) -> BaseProcess:
    process = get_context("fork").Process(target=_tested, args=(module, source, limit))
    process.start()
    return process


def _tested(module: str, source: str, limit: int) -> NoReturn:
    """Ends with 0 if the tests are green with this source."""
    import pytest

    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 60))  # SIGXCPU at the first, SIGKILL only at the second
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY,) * 2)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    sys.meta_path.insert(0, _Finder(module, source))  # type: ignore[arg-type]
    sys.exit(pytest.main([*OPTIONS, *TESTS[module]], plugins=[_NoTimers()]))


class _NoTimers:
    """Instead of pytest-timeout's: its seconds are those of a clock, and pass on a busy machine, too."""

    def pytest_timeout_set_timer(self) -> bool:
        return True

    def pytest_timeout_cancel_timer(self) -> bool:
        return True


class _Finder:
    """Finds the mutant where a module is imported, and leaves the rest to the finders after it."""

    def __init__(self, module: str, source: str) -> None:
        self._path, self._source = str(ROOT / module), source
        self._name = module.removesuffix(".py").replace("/", ".").removesuffix(".__init__")

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name != self._name:
            return None
        return importlib.util.spec_from_file_location(name, self._path, loader=_Loader(name, self._path, self._source))


class _Loader(SourceFileLoader):
    def __init__(self, name: str, path: str, source: str) -> None:
        super().__init__(name, path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._source, self.path, "exec", dont_inherit=True)


if __name__ == "__main__":
    sys.exit(main())
