"""Who may import whom: every file's imports against the table of docs/architecture.md."""

from __future__ import annotations

import ast
import functools
import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("audit", "models", "reports")
FILES = sorted(path for package in OURS for path in (ROOT / package).rglob("*.py"))
JAX = {"jax", "jaxlib", "flax", "optax", "orbax"}
EVIDENCE = {"audit.evidence", "audit.errors", "audit.names"}
CHECKED = EVIDENCE | {"audit.registry", "audit.subject", "audit.devices", "audit.outputs"}
CHECKED |= {"audit.attacks", "audit.attribution", "audit.metrics", "audit.stats"}

# layer: our layers that it may import besides itself, and the distributions that it may import
TABLE: dict[str, tuple[set[str], set[str]]] = {
    "audit.errors": (set(), set()),
    "audit.names": (set(), set()),
    "audit.evidence": ({"audit.names"}, {"pydantic"}),
    "audit.attacks": (set(), {"jax", "numpy"}),
    "audit.outputs": (set(), {"numpy"}),
    "audit.attribution": ({"audit.outputs"}, {"jax", "numpy", "shap"}),
    "audit.metrics": ({"audit.names"}, {"jax", "numpy", "scipy", "fairlearn", "sklearn"}),
    "audit.stats": ({"audit.evidence"}, {"numpy", "scipy"}),
    "audit.devices": (set(), {"jax", "numpy"}),
    "audit.read_only": (set(), {"numpy"}),
    "audit.meaning": ({"audit.errors", "audit.outputs"}, {"numpy"}),
    "audit.subject": (
        {"audit.devices", "audit.errors", "audit.meaning", "audit.outputs", "audit.read_only"},
        {"jax", "numpy"},
    ),
    "audit.data": (
        {"audit.subject", "audit.errors", "audit.meaning", "audit.names"},
        {"numpy", "pandas", "pyarrow", "sklearn", "tokenizers"},
    ),
    "audit.registry": (EVIDENCE, {"pydantic"}),
    "audit.gate": (EVIDENCE | {"audit.stats"}, {"numpy"}),
    "audit.attributes": (EVIDENCE | {"audit.registry", "audit.metrics"}, {"numpy", "pandas"}),
    "audit.manifest": (EVIDENCE, set()),
    "audit.store": (EVIDENCE | {"audit.manifest"}, {"pydantic"}),
    "audit.verify": (EVIDENCE | {"audit.manifest", "audit.store", "audit.gate", "audit.rendering"}, set()),
    "audit.opening": (EVIDENCE | {"audit.manifest", "audit.store", "audit.verify"}, set()),
    "audit.expected": (EVIDENCE | {"audit.registry"}, set()),
    "audit.signing": (EVIDENCE | {"audit.manifest", "reports"}, {"cryptography"}),
    "audit.trials": (CHECKED - {"audit.attribution"}, {"jax", "numpy"}),
    "audit.behaviours": (CHECKED - {"audit.attacks", "audit.attribution"}, {"jax", "numpy", "pydantic"}),
    "audit.games": ((CHECKED - {"audit.attacks"}) | {"audit.trials"}, {"jax", "numpy", "pydantic"}),
    "audit.checks": (
        CHECKED | {"audit.trials", "audit.games", "audit.attributes", "audit.behaviours"},
        {"jax", "numpy", "pandas", "pydantic", "scipy", "shap"},
    ),
    "audit.remedies": (CHECKED, {"jax", "numpy", "pandas", "pydantic", "scipy", "fairlearn"}),
    "models": (set(), {"jax", "flax", "optax", "orbax", "numpy", "scipy", "sklearn"}),
    "reports": ({"audit.evidence"}, {"jinja2", "markupsafe", "pyarrow", "yaml"}),
}
LIGHT = ("audit.errors", "audit.evidence", "audit.stats", "audit.gate", "audit.store", "audit.registry")
LIGHT += ("audit.compare", "audit.row_outcomes", "audit.config", "audit.policies", "audit.cli", "reports")
LIGHT += ("audit.manifest", "audit.verify", "audit.signing", "audit.rendering", "audit.places")
LIGHT += ("audit.opening", "audit.expected")
LIGHT += ("audit.supervised", "audit.configured_files")
NAMES_WITHOUT_MEANING = {"utils", "util", "helpers", "helper", "common", "core", "base", "misc", "tools"}


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_module(path): path for path in FILES}


def _layer(module: str) -> str:
    """The row of the table that a module belongs to: audit.gate_words is part of audit.gate."""
    return next(
        (name for name in TABLE if module == name or module.startswith((f"{name}.", f"{name}_"))), module
    )


def _imports(path: Path, *, at_import: bool = False) -> set[str]:
    """The modules a file imports, ours by full name; only those run at import when so asked."""
    found: set[str] = set()
    pending: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while pending:
        node = pending.pop()
        if at_import and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if at_import and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in names}
        pending.extend(ast.iter_child_nodes(node))
    return found


def _third_party(names: set[str]) -> set[str]:
    tops = {name.split(".")[0] for name in names}
    return tops - set(sys.stdlib_module_names) - set(OURS) - {"__future__"}


@functools.cache
def _reached(module: str) -> frozenset[str]:
    """Every module, ours and others', that importing this one imports."""
    seen: set[str] = set()
    pending = [module]
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in MODULES:
            parents = {name.rpartition(".")[0]} if "." in name else set()
            pending.extend(_imports(MODULES[name], at_import=True) | parents)
    return frozenset(seen)


def test_there_is_something_to_check():
    assert len(FILES) > 20
    assert _imports(MODULES["audit.subject"]) >= {"audit.devices", "numpy"}


@pytest.mark.parametrize("module", sorted(m for m in MODULES if _layer(m) in TABLE))
def test_a_layer_imports_only_what_the_table_allows(module):
    layer = _layer(module)
    ours, others = TABLE[layer]
    imports = _imports(MODULES[module])
    inner = {_layer(name) for name in imports if name.split(".")[0] in OURS}
    assert inner - {layer, "audit"} <= ours, f"{module} imports {inner - {layer} - ours}"
    assert _third_party(imports) <= others, f"{module} imports {_third_party(imports) - others}"


@pytest.mark.parametrize("module", sorted(m for m in MODULES if m.startswith("audit.checks.")))
def test_a_check_imports_no_other_check(module):
    assert not {n for n in _imports(MODULES[module]) if n.startswith("audit.checks") and n != module}


@pytest.mark.parametrize("light", LIGHT)
def test_nothing_light_reaches_jax(light):
    for module in (m for m in MODULES if m == light or m.startswith(f"{light}.")):
        heavy = {name for name in _reached(module) if name.split(".")[0] in JAX}
        assert not heavy, f"importing {module} imports {heavy}"


@pytest.mark.parametrize("path", FILES, ids=_module)
def test_imports_are_absolute_and_names_mean_something(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]
    assert path.stem.strip("_") not in NAMES_WITHOUT_MEANING
    assert not NAMES_WITHOUT_MEANING & set(path.relative_to(ROOT).parent.parts)


@pytest.mark.parametrize("path", FILES, ids=_module)
def test_a_file_fits_in_a_reader_and_has_a_docstring(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    assert ast.get_docstring(ast.parse(text))


def test_every_import_of_ours_exists():
    for module, path in MODULES.items():
        wanted = {name for name in _imports(path) if name.split(".")[0] in OURS}
        missing = {name for name in wanted if name not in MODULES and not importlib.util.find_spec(name)}
        assert not missing, f"{module} imports {missing}"
