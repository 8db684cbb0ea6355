"""Where a compiled program's time goes: operations by their scope, and shares of a trace."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vizjax.trace import OTHER, Operation, Run, divided, operations, recorded, seconds_by_scope

PROGRAM = """HloModule jit_step, is_scheduled=true

%fused_computation (param_0: f32[8]) -> f32[8] {
  %param_0 = f32[8]{0} parameter(0)
  %sine.1 = f32[8]{0} sine(%param_0), metadata={op_name="jit(step)/transform/sin"}
  %cosine.1 = f32[8]{0} cosine(%sine.1), metadata={op_name="jit(step)/transform/cos"}
  ROOT %add.1 = f32[8]{0} add(%cosine.1, %sine.1), metadata={op_name="jit(step)/transpose(jvp(net))/add"}
}

%region_0 (arg: (f32[8])) -> (f32[8]) {
  %arg = (f32[8]{0}) parameter(0)
  %get-tuple-element.1 = f32[8]{0} get-tuple-element(%arg), index=0
  %copy.1 = f32[8]{0} copy(%get-tuple-element.1)
  ROOT %tuple.1 = (f32[8]{0}) tuple(%copy.1)
}

ENTRY %main (x: f32[8], y: f32[8]) -> (f32[8], f32[8]) {
  %x = f32[8]{0} parameter(0), metadata={op_name="state.params"}
  %y = f32[8]{0:T(256)} parameter(1), metadata={op_name="network.net"}
  %copy.2 = f32[8]{0} copy(%y)
  %fusion.1 = f32[8]{0} fusion(%x), kind=kLoop, calls=%fused_computation
  %fusion.2 = f32[8]{0} fusion(%y), kind=kLoop, calls=%fused_computation, metadata={op_name="jit(step)/select_n"}
  %bitcast.1 = f32[8]{0} bitcast(%fusion.1)
  %while.1 = (f32[8]{0}) while(%tuple.9), condition=%cond_0, body=%region_0, metadata={op_name="jit(step)/vmap(vmap(decode))/while"}
  %dot.1 = f32[8]{0} dot(%copy.2, %bitcast.1), metadata={op_name="jit(step)/update/while/vmap(net)/dot_general"}
  %select.1 = f32[8]{0} select(%dot.1, %x), metadata={op_name="jit(step)/net_decode/select_n"}
  ROOT %tuple.2 = (f32[8]{0}, f32[8]{0}) tuple(%dot.1, %select.1)
}
"""


@pytest.mark.parametrize(
    ("name", "scope", "why"),
    [
        ("sine.1", "transform", "said"),
        ("add.1", "net", "within the signs of a gradient"),
        ("fusion.1", "transform", "most of its parts"),
        ("fusion.2", "transform", "most of its parts, where it says nothing of a scope"),
        ("bitcast.1", "transform", "what it reads"),
        ("while.1", "decode", "said"),
        ("copy.1", "decode", "what runs the region that it is in"),
        ("copy.2", "net", "what reads it"),
        ("dot.1", "net", "the innermost scope"),
        ("select.1", OTHER, "said, but of no scope"),
    ],
)
def test_operations_know_their_scope(name, scope, why):
    found = operations(PROGRAM, ["decode", "transform", "net", "update"])
    assert found[name] == Operation(scope, around=name == "while.1"), why


@pytest.fixture(autouse=True)
def scopes_in_cache_keys():
    """Or a program of other scopes would be taken from the cache for the same one."""
    jax.config.update("jax_compilation_cache_include_metadata_in_key", True)
    yield
    jax.config.update("jax_compilation_cache_include_metadata_in_key", False)


def product(name, times):
    def run(x):
        with jax.named_scope(name):
            for _ in range(times):
                x = x @ x / 256
        return x

    return run


@pytest.mark.parametrize(("times", "ahead"), [((1, 50), "second"), ((50, 1), "first")])
def test_fifty_times_the_work_is_reported_as_more(times, ahead, tmp_path):
    """Of one program's scopes, and all of its time is divided."""
    first, second = product("first", times[0]), product("second", times[1])
    x = jnp.ones((256, 256))
    program = jax.jit(lambda x: second(first(x))).lower(x).compile()
    x = program(x).block_until_ready()
    with recorded(tmp_path):
        begin = time.perf_counter()
        for _ in range(4):
            x = program(x)
        x.block_until_ready()
        passed = time.perf_counter() - begin
    seconds = seconds_by_scope(tmp_path, program.as_text(), ["first", "second"])
    assert set(seconds) == {"first", "second", OTHER}
    behind = {"first": "second", "second": "first"}[ahead]
    assert seconds[ahead] > seconds[behind] > 0
    assert sum(seconds.values()) <= passed


def test_another_programs_operations_do_not_count(tmp_path):
    """They have the same names."""
    x = jnp.ones((64, 64))
    one = jax.jit(product("first", 1)).lower(x).compile()

    def other(x):
        return product("second", 1)(x)

    with recorded(tmp_path):
        jax.jit(other)(x).block_until_ready()
    assert sum(seconds_by_scope(tmp_path, one.as_text(), ["first"]).values()) == 0


def test_time_is_divided_among_what_runs():
    """Against a clock of a hundred ticks, each of which goes to what runs in it."""
    rng = np.random.default_rng(0)
    for _ in range(30):
        ends = np.sort(rng.integers(0, 100, (8, 2)), axis=1)
        kinds = [Operation(scope, around) for scope in ("net", "update") for around in (False, True)] * 2
        runs = [Run(1e9 * a, 1e9 * b, kind) for (a, b), kind in zip(ends, kinds, strict=True)]
        expected = dict.fromkeys(("net", "update", OTHER), 0.0)
        for tick in range(ends.min(), ends.max()):
            there = [k for (a, b), k in zip(ends, kinds, strict=True) if a <= tick < b]
            there = [k for k in there if not k.around] or there or [Operation(OTHER, False)]
            for kind in there:
                expected[kind.scope] += 1 / len(there)
        found = dict.fromkeys(expected, 0.0) | divided(runs)
        assert found == pytest.approx(expected)
    assert divided([]) == {}
