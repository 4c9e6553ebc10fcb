"""The library's structure: which folders import which, and how large its parts may be."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"
LIBRARY = SCRIPTS / "denoising"
# A folder imports those before it, and itself
FOLDERS = [
    "running", "study", "images", "training", "specimens", "evaluation", "restoration", "report",
    "exports",
]  # fmt: skip
MODULE_LINES = 400
CLASS_LINES = 150
ARGUMENTS = 6

MODULES = sorted(path for path in LIBRARY.rglob("*.py") if path.name != "__init__.py")
FILES = sorted(SCRIPTS.rglob("*.py"))


def name_of(path: Path) -> str:
    """`folder.module` of the library, or `script`, as in `tables.scores`."""
    relative = path.relative_to(LIBRARY if path.is_relative_to(LIBRARY) else SCRIPTS)
    return ".".join(relative.with_suffix("").parts)


def imports_of(path: Path) -> set[str]:
    """Modules of the library that a file imports, as `folder.module`."""
    full_names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            full_names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import, expected an absolute one"
            full_names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    modules = {name_of(module) for module in MODULES}
    return modules & {name.removeprefix("denoising.") for name in full_names}


def definitions(path: Path) -> Iterator[tuple[str, ast.AST]]:
    """Functions and classes of a file at any depth, each as `folder.module.Class.method`."""

    def within(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.AST]]:
        for child in ast.iter_child_nodes(node):
            name = prefix
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                name = f"{prefix}.{child.name}"
                yield name, child
            yield from within(child, name)

    yield from within(ast.parse(path.read_text()), name_of(path))


def argument_count(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Positional and keyword arguments, without `self` and `cls`."""
    arguments = function.args
    names = [each.arg for each in arguments.posonlyargs + arguments.args + arguments.kwonlyargs]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def check(sizes: dict[str, int], limit: int) -> None:
    """Fail if a name exceeds the limit."""
    large = sorted(name for name, size in sizes.items() if size > limit)
    assert not large, f"more than {limit}: {', '.join(large)}"


def test_every_module_lies_in_a_folder_of_the_order():
    assert {path.parent.relative_to(LIBRARY).as_posix() for path in MODULES} == set(FOLDERS)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_folders_import_only_downwards(path):
    allowed = FOLDERS[: FOLDERS.index(path.parent.name) + 1]
    assert {name for name in imports_of(path) if name.split(".")[0] not in allowed} == set()


def test_no_modules_import_one_another_in_a_circle():
    TopologicalSorter({name_of(path): imports_of(path) for path in MODULES}).prepare()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_the_library_knows_no_snakemake(path):
    names = {
        node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)
    }
    assert "snakemake" not in names
    assert "import snakemake" not in path.read_text()
    assert "from snakemake" not in path.read_text()


def test_no_module_is_long():
    lines = {name_of(path): len(path.read_text().splitlines()) for path in FILES}
    check(lines, MODULE_LINES)


def test_no_class_is_long():
    lines = {
        name: node.end_lineno - node.lineno + 1
        for path in FILES
        for name, node in definitions(path)
        if isinstance(node, ast.ClassDef)
    }
    check(lines, CLASS_LINES)


def test_no_function_takes_many_arguments():
    counts = {
        name: argument_count(node)
        for path in FILES
        for name, node in definitions(path)
        if not isinstance(node, ast.ClassDef)
    }
    check(counts, ARGUMENTS)
