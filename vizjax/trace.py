"""Where a compiled program's time goes: a trace of JAX's profiler, by the scopes of its source.

`jax.named_scope` names parts of a function. The compiler hands these names on as metadata of the
operations that it makes of them, and the profiler records when each operation ran.
"""

import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
from jax.profiler import ProfileData

OTHER = "other"
"""What belongs to no scope: operations without a name, and time in which none runs."""

_HEAD = re.compile(r"(?:ENTRY )?%?([\w.-]+) .*\{$")
_INSTRUCTION = re.compile(r"\s+(?:ROOT )?%?([\w.-]+) = .*?[\]})] ([a-z][\w-]*)\(")
_SOURCE = re.compile(r'op_name="([^"]*)"')
_NAME = re.compile(r"%([\w.-]+)")
_AROUND = {"while", "conditional", "call"}


class Operation(NamedTuple):
    """An operation of a compiled program.

    Attributes:
        scope: that it comes from, or `OTHER`.
        around: whether it only runs others, as a loop does.
    """

    scope: str
    around: bool


class Run(NamedTuple):
    """An operation at work.

    Attributes:
        begin: in nanoseconds.
        end: in nanoseconds.
        operation: which one.
    """

    begin: float
    end: float
    operation: Operation


def operations(program: str, scopes: Sequence[str]) -> dict[str, Operation]:
    """The operations of a compiled program, each with the scope that it comes from.

    Of scopes within each other the innermost counts. An operation fused of several is where its result
    comes from, as the compiler says. Where it says nothing, as of copies of its own making, an operation
    belongs to what it is made of and reads, or else to what reads it.

    Args:
        program: its text, of ``jax.jit(f).lower(…).compile().as_text()``.
        scopes: names that `jax.named_scope` was given.

    Returns:
        Name of the operation -> `Operation`.

    Example:
        >>> text = '''HloModule jit_step
        ... ENTRY %main (x: f32[8]) -> f32[8] {
        ...   ROOT %sine.1 = f32[8]{0} sine(%x), metadata={op_name="jit(step)/jvp(net)/sin"}
        ... }'''
        >>> operations(text, ["net"])
        {'sine.1': Operation(scope='net', around=False)}
    """
    pattern = re.compile(rf"(?<![\w.])({'|'.join(map(re.escape, scopes))})(?=[)/])")
    found: dict[str, Operation] = {}
    unnamed: dict[str, str] = {}  # and the computation that each is within
    scope_of: defaultdict[str, Counter[str]] = defaultdict(Counter)  # of operations and computations
    users: defaultdict[str, list[str]] = defaultdict(list)
    within = ""
    for line in program.splitlines():
        if head := _HEAD.match(line):
            within = head[1]
        elif match := _INSTRUCTION.match(line):
            name, kind = match.groups()
            mentioned = _NAME.findall(line, match.end())
            for other in mentioned:
                users[other].append(name)
            source = _SOURCE.search(line)
            scope = pattern.findall(source[1])[-1:] if source else []
            parts = [x for x in mentioned if x not in found]  # of a fusion: they say more than operands
            scope = scope or _most(parts, scope_of) or ([] if source else _most(mentioned, scope_of))
            found[name] = Operation((scope or [OTHER])[0], kind in _AROUND)
            scope_of[name].update(scope)
            scope_of[within].update(scope)
            if not source and not scope:
                unnamed[name] = within
    for name, within in reversed(unnamed.items()):
        scope = _most([*users[name], *users[within]], scope_of)
        found[name] = Operation((scope or [OTHER])[0], found[name].around)
        scope_of[name].update(scope)
    return found


def _most(names: Iterable[str], scope_of: Mapping[str, Counter[str]]) -> list[str]:
    """The scope that most of these have, if any has one."""
    return [scope for scope, _ in sum((scope_of[x] for x in names), Counter[str]()).most_common(1)]


def seconds_by_scope(folder: Path, program: str, scopes: Sequence[str]) -> dict[str, float]:
    """How a trace's time, from a program's first operation to its last, divides among scopes.

    Args:
        folder: that the trace was written to; the newest one counts.
        program: text of the compiled program.
        scopes: names that `jax.named_scope` was given.

    Returns:
        Scope -> seconds, and `OTHER`; together the time that passed.

    Example:
        >>> import tempfile
        >>> def f(x):
        ...     with jax.named_scope("product"):
        ...         return x @ x
        >>> x = jax.numpy.ones((64, 64))
        >>> folder, compiled = Path(tempfile.mkdtemp()), jax.jit(f).lower(x).compile()
        >>> with recorded(folder):
        ...     x = compiled(x).block_until_ready()
        >>> seconds_by_scope(folder, compiled.as_text(), ["product"])["product"] > 0
        True
    """
    newest = max(folder.rglob("*.xplane.pb"), key=lambda path: path.stat().st_mtime_ns)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the reader, about its own classes
        runs = list(_runs(ProfileData.from_file(str(newest)), program, scopes))
    return dict.fromkeys((*scopes, OTHER), 0.0) | divided(runs)


def recorded(folder: Path) -> Any:
    """A block whose operations are recorded, without the calls of Python, which would be most of it.

    Args:
        folder: where the trace goes.

    Returns:
        A context manager.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with recorded(folder):
        ...     one = jax.numpy.exp(0).block_until_ready()
        >>> len(list(folder.rglob("*.xplane.pb")))
        1
    """
    options = jax.profiler.ProfileOptions()
    options.python_tracer_level = 0
    return jax.profiler.trace(str(folder), profiler_options=options)


def divided(runs: Iterable[Run]) -> dict[str, float]:
    """Divides the time that passed among the scopes of what ran.

    Operations that run at once share their time equally: what each does to the others is not known.
    A loop has only the time in which nothing else runs; where nothing does at all, that is `OTHER`'s.

    Args:
        runs: of operations.

    Returns:
        Scope -> seconds; together the time from the first begin to the last end.

    Example:
        >>> net, update = Operation("net", False), Operation("update", False)
        >>> divided([Run(0, 4e9, net), Run(2e9, 4e9, update), Run(5e9, 6e9, net)])
        {'net': 4.0, 'update': 1.0, 'other': 1.0}
    """
    edges = [(run.begin, 1, run.operation) for run in runs]
    edges += [(run.end, -1, run.operation) for run in runs]
    edges.sort(key=lambda edge: edge[0])
    work, around = Counter[str](), Counter[str]()
    found: defaultdict[str, float] = defaultdict(float)
    last = edges[0][0] if edges else 0.0
    for now, change, operation in edges:
        running = +work or +around or Counter({OTHER: 1})
        for scope, count in running.items() if now > last else ():
            found[scope] += (now - last) / 1e9 * count / running.total()
        (around if operation.around else work)[operation.scope] += change
        last = now
    return dict(found)


def _runs(trace: ProfileData, program: str, scopes: Sequence[str]) -> Iterator[Run]:
    """The runs of a program's operations: on CPU in the host's threads, elsewhere on the device's lines."""
    module = program.split(",")[0].split()[1]
    known = operations(program, scopes)
    for plane in trace.planes:
        for line in plane.lines:
            for event in line.events:
                stats = dict(event.stats)
                # a TPU's events are named by the whole instruction: "%fusion.3 = …"
                name = stats.get("hlo_op") or event.name.lstrip("%").split(" ")[0]
                if name in known and stats.get("hlo_module", module) == module:
                    yield Run(event.start_ns, event.end_ns, known[str(name)])
