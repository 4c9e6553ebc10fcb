"""Where results come from: the version of the code behind each rule, and the record written beside
the results.
"""

import ast
import hashlib
import importlib.metadata
import json
import platform
import subprocess
from functools import cache
from pathlib import Path

import yaml

from denoising.running.outputs import write_json, write_whole

# Modules that write logs and messages, refuse or report input, wait for a device or keep caches: an
# edit to them changes no result
NO_RESULTS = {
    "running.logs", "running.reasons", "running.devices", "running.caches", "training.checks",
    "training.agreement", "training.cards", "images.arrival",
}  # fmt: skip


@cache
def code_version(script: Path) -> str:
    """Hash of what a script runs: its own code and that of every `denoising` module it imports,
    directly or not.

    Code, not text: comments, docstrings and layout do not count, so correcting a typo changes no
    version.

    Parameters
    ----------
    script : Path
        A script in the folder that holds the package `denoising`, or in a folder of that.

    Returns
    -------
    str
        12 hexadecimal digits.
    """
    folders = [folder for folder in script.parents if (folder / "denoising").is_dir()]
    scripts = folders[0]
    package = scripts / "denoising"
    seen = {script}
    waiting = [script]
    while waiting:
        imported = _imports(waiting.pop(), package) - seen
        seen |= imported
        waiting.extend(imported)
    digests = sorted(f"{path.relative_to(scripts)} {_code_digest(path)}" for path in seen)
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()[:12]


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), path.name)


@cache
def _imports(path: Path, package: Path) -> set[Path]:
    """Files of the `denoising` modules that the file at `path` imports."""
    names = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    modules = {name.removeprefix("denoising.") for name in names if name.startswith("denoising.")}
    files = {package / f"{module.replace('.', '/')}.py" for module in modules - NO_RESULTS}
    return {file for file in files if file.exists()}


@cache
def _code_digest(path: Path) -> str:
    tree = _tree(path)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:] or [ast.Pass()]
    return hashlib.sha256(ast.unparse(tree).encode()).hexdigest()


def record(
    inputs: dict[str, Path],
    checksums: dict[str, str | None],
    seeds: dict[str, int],
    repository: Path,
) -> dict:
    """Record what made the results: git commit, package versions, hashes of the inputs, seeds.

    Parameters
    ----------
    inputs : dict of str to Path
        For each dataset the JSON record of its archive or its pairs.
    checksums : dict of str to str or None
        For each dataset that comes as an archive the sha256 that the config gives now.
    seeds : dict of str to int
        For each run its seed.
    repository : Path
        The workflow's own folder.

    Raises
    ------
    ValueError
        If an archive does not have the checksum that the config gives.
    """
    lines = (repository / "envs" / "versions.txt").read_text(encoding="utf-8").splitlines()
    pins = (line.split("==") for line in lines if "==" in line)
    changes = _git(repository, "status", "--porcelain", "--untracked-files=no") or ""
    return {
        "commit": _git(repository, "rev-parse", "HEAD") or "not a git checkout",
        "uncommitted_changes": changes.splitlines(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "packages": {
            name: {"pinned": version, "installed_here": _version(name)} for name, version in pins
        },
        "inputs": {name: _input(path, checksums.get(name)) for name, path in inputs.items()},
        "seeds": seeds,
    }


def _processor() -> str:
    """The model of the CPU, as Linux names it."""
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text(encoding="utf-8").splitlines() if listed.is_file() else []
    models = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def _input(path: Path, expected: str | None) -> dict:
    """The record of a dataset's input, held against the checksum that the config gives now."""
    entry = json.loads(path.read_text(encoding="utf-8"))
    if not expected:
        return entry
    if entry["sha256"] != expected:
        raise ValueError(
            f"{path}: the archive fetched from {entry['source']} has sha256 {entry['sha256']}, "
            f"expected {expected}: results were not made from what the config describes. Delete "
            "this record and run again."
        )
    return entry | {"verified": True}


def _git(repository: Path, *command: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", repository, *command], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.rstrip()


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def write_record(entry: dict, config: dict, record_path: Path, config_path: Path) -> None:
    """Write the record as JSON, and beside it the config with every default filled in as YAML, a
    config again.
    """
    write_json(record_path, entry)
    write_whole(config_path, yaml.safe_dump(config, sort_keys=False, width=120))


def recorded_title(config_path: Path) -> str | None:
    """The title in the config that `write_record` wrote; None where there is none to read."""
    try:
        config = yaml.safe_load(config_path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return None
    return config.get("title") if isinstance(config, dict) else None
