"""The shape of the code: how functions are documented, and in which direction modules import."""

import ast
from pathlib import Path

import pytest

import vizjax as vz

ROOT = Path(vz.__file__).parent
MODULES = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))
ENTRIES = {"__main__.py"}  # and the verbs; their functions are verbs: what is written there is --help

LONGEST = 300

# behind `render` and `atlas`: examples would need a folder on disk or a net half compiled
INNER = {"ascent.py", "atlas/jobs.py", "atlas/manifest.py", "atlas/profile.py", "atlas/store.py"}

# the arrows of the design: what each module, or package, may not know of
OUTER = {"activations", "ascent", "render", "models", "atlas", "recipes", "explain", "cli"}
BASICS = (
    "nn",
    "images",
    "transforms",
    "warps",
    "frequencies",
    "objectives",
    "regularizers",
    "updates",
    "color",
)
FORBIDDEN: dict[str, set[str]] = {
    **dict.fromkeys(BASICS, OUTER),
    **dict.fromkeys(
        ("errors", "factory", "interruption", "keys", "precision", "program", "receptive_field", "costs"),
        OUTER,
    ),
    **dict.fromkeys(("animation", "memory", "pictures", "timing", "trace"), OUTER),
    "activations": {"render", "ascent", "atlas", "models", "recipes", "explain", "cli"},
    "tables": {"render", "ascent", "atlas", "models", "recipes", "explain", "cli"},
    "models": {"render", "ascent", "atlas", "recipes", "explain", "cli"},
    "features": {"render", "ascent", "atlas", "models", "recipes", "explain", "cli"},
    "provenance": {"render", "atlas", "models", "recipes", "explain", "cli"},
    "ascent": {"render", "atlas", "models", "recipes", "explain", "cli"},
    "render": {"atlas", "models", "recipes", "explain", "cli"},
    "tiles": {"ascent", "render", "atlas", "models", "recipes", "explain", "cli"},
    "units": {"ascent", "render", "atlas", "recipes", "explain", "cli"},
    "recipes": {"atlas", "cli"},
    "explain": {"atlas", "cli"},
    "atlas": {"cli"},
}


def tree(module: Path) -> ast.Module:
    return ast.parse((ROOT / module).read_text(), str(module))


def public_functions() -> list:
    found = []
    for module in MODULES:
        if module.name in ENTRIES or (module.parts[0] == "cli" and module.name != "common.py"):
            continue
        for node in tree(module).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                found.append(pytest.param(module, node, id=f"{module}:{node.name}"))
    return found


def imported(module: Path) -> set[str]:
    """Absolute names of all that a module imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def sections(docstring: str) -> set[str]:
    return {
        line.removesuffix(":") for line in docstring.splitlines() if line.endswith(":") and line[0] != " "
    }


@pytest.mark.parametrize(("module", "function"), public_functions())
def test_public_functions_are_documented(module: Path, function: ast.FunctionDef):
    """What it does, Args where it has any, Returns where it returns something, an Example."""
    docstring = ast.get_docstring(function)
    assert docstring, "it has no docstring"
    assert docstring.splitlines()[0].endswith((".", ":")), "the first line is a sentence"
    found = sections(docstring)
    a = function.args
    parameters = [p.arg for p in (*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg) if p]
    if parameters:
        assert "Args" in found
        listed = docstring.split("Args:\n")[1].split("\n\n")[0]
        for name in parameters:
            assert f"    {name}:" in listed.replace("*", ""), f"{name} is not explained"
    returned = ast.unparse(function.returns) if function.returns else ""
    assert returned, "it does not say what it returns"
    if returned not in ("None", "Iterator[None]"):
        assert "Returns" in found
    if str(module) not in INNER:
        assert "Example" in found
        assert ">>>" in docstring


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_every_module_and_class_says_what_it_is(module: Path):
    nodes = [n for n in tree(module).body if isinstance(n, ast.ClassDef) and not n.name.startswith("_")]
    for node in (tree(module), *nodes):
        assert ast.get_docstring(node), getattr(node, "name", module)


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_modules_are_short(module: Path):
    assert len((ROOT / module).read_text().splitlines()) <= LONGEST


@pytest.mark.parametrize("module", [m for m in MODULES if m.parts[0] == "recipes"], ids=str)
def test_recipes_are_short(module: Path):
    assert len((ROOT / module).read_text().splitlines()) <= 120


@pytest.mark.parametrize("module", [m for m in MODULES if m.parts[0] == "recipes"], ids=str)
def test_recipes_have_no_ascent_of_their_own(module: Path):
    names = {name.split(".")[-1] for name in imported(module)}
    assert not names & {"apply_updates", "ascend", "compiled", "value_and_grad"}
    text = (ROOT / module).read_text()
    assert "apply_updates" not in text
    assert "jax.value_and_grad" not in text


def test_names_that_are_offered_exist():
    for module in (vz, vz.objectives):
        assert sorted(module.__all__) == list(module.__all__)
        for name in module.__all__:
            assert getattr(module, name) is not None


@pytest.mark.parametrize("part", FORBIDDEN)
def test_imports_point_one_way(part: str):
    modules = [m for m in MODULES if m.parts[0] in (part, f"{part}.py")]
    for module in modules:
        for name in imported(module):
            top, *rest = name.split(".")
            if top == "vizjax":
                assert rest, f"{module} imports the whole of vizjax"
                assert rest[0] not in FORBIDDEN[part], f"{module} imports {name}"


def test_the_arrows_are_about_modules_that_exist():
    """A module that was renamed would escape its rule."""
    there = {m.parts[0].removesuffix(".py") for m in MODULES}
    planned = {"recipes", "explain"}
    assert set(FORBIDDEN) - planned <= there
    # and every module but the outermost has one
    free = {"__init__", "__main__", "cli", "files", "progress"}
    assert there - free <= set(FORBIDDEN)


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_nothing_imports_torch(module: Path):
    assert not {name.split(".")[0] for name in imported(module)} & {"torch", "torchvision", "tensorflow"}


def test_transforms_take_a_key_a_picture_and_progress():
    modules = [module for module in MODULES if module.parts[0] == "transforms"]
    functions = [n for m in modules for n in ast.walk(tree(m)) if isinstance(n, ast.FunctionDef)]
    made = [f for f in functions if f.name == "transform"]
    assert len(made) >= 8
    for function in made:
        assert [a.arg for a in function.args.args] == ["key", "picture", "progress"]
