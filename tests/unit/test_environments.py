"""One table of versions: pip locks and conda environments repeat it, and no environment lacks or
spares a package.
"""

import ast
import re
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "workflow" / "scripts"
ENVS = sorted(path.name for path in (ROOT / "envs").glob("*.yaml"))

CONDA_NAMES = {
    "matplotlib-base": "matplotlib",
    "bioimageio.core": "bioimageio-core",
    "bioimageio.spec": "bioimageio-spec",
}
IMPORT_NAMES = {
    "yaml": "pyyaml",
    "skimage": "scikit-image",
    "PIL": "pillow",
    "pynvml": "nvidia-ml-py",
    "pywt": "pywavelets",
    "tf_keras": "tf-keras",
    "bioimageio": "bioimageio-spec",
}
# Packages that are needed without being imported: by the name in our code that brings them in
BROUGHT_IN = {
    "CARE": {"h5py", "keras"},
    "to_markdown": {"tabulate"},
    # tifffile's, for the compressed files of other programs
    "find_source": {"imagecodecs"},
    "restore_image": {"imagecodecs"},
    "draw_sample": {"imagecodecs"},
    "write_onnx": {"tf2onnx"},
    # bioimage.io's own, with a pydantic that it can read packages by
    "write_package": {"bioimageio-core", "onnxruntime", "pydantic"},
}


def pins(text):
    """Versions by package, lower case; a package may have several, by platform."""
    found = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;\\]+)", text, re.M):
        found.setdefault(name.lower(), set()).add(version)
    return found


@cache
def read(name):
    return (ROOT / "envs" / name).read_text()


def requirements(name):
    """A lock file's requirements, each with its hashes."""
    return set(re.sub(r"\\\n\s+", " ", read(name)).splitlines())


@cache
def conda(name):
    """Versions by package in a conda environment, by the names that pip has for them."""
    listed = dict(entry.split("=") for entry in yaml.safe_load(read(name))["dependencies"])
    return {CONDA_NAMES.get(package, package): version for package, version in listed.items()}


VERSIONS = pins(read("versions.txt"))
EVERYTHING, CLOUDS, EXPORTS = map(pins, re.split("# clouds|# exports", read("versions.txt")))


# Versions


def test_every_version_is_exact():
    lines = [
        line for line in read("versions.txt").splitlines() if line and not line.startswith("#")
    ]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==\d[\d.]*", line) for line in lines)
    assert len(lines) == len(VERSIONS)


@pytest.mark.parametrize("lock", ["lock.txt", "lock-gpu.txt"])
def test_lock_holds_the_table(lock):
    locked = pins(read(lock))
    assert {package: locked.get(package) for package in EVERYTHING} == EVERYTHING
    assert not set(CLOUDS | EXPORTS) - {"pydantic"} & set(locked)


def test_lock_for_exports_adds_to_the_others_and_changes_pydantic_alone():
    locked, others = pins(read("lock-export.txt")), pins(read("lock.txt"))
    wanted = EVERYTHING | EXPORTS
    assert {package: locked.get(package) for package in wanted} == wanted
    changed = {package for package in others if locked.get(package) != others[package]}
    assert changed == {"pydantic", "pydantic-core"}


def test_lock_for_clouds_has_snakemake_and_no_package_of_the_study():
    locked = pins(read("lock-kubernetes.txt"))
    wanted = CLOUDS | {
        package: VERSIONS[package] for package in ("snakemake", "jsonschema", "pyyaml", "pygments")
    }
    assert {package: locked.get(package) for package in wanted} == wanted
    assert not {"numpy", "pandas", "tifffile", "tensorflow"} & set(locked)


@pytest.mark.parametrize(
    "lock", ["lock.txt", "lock-gpu.txt", "lock-kubernetes.txt", "lock-export.txt"]
)
def test_lock_has_hashes_and_no_address(lock):
    assert "://" not in read(lock)
    assert all(
        re.match(r"\S+==\S+( ; [^\\]+?)?( +--hash=sha256:[0-9a-f]{64})+$", line)
        for line in requirements(lock)
    )


def test_gpu_lock_only_adds_cuda():
    assert requirements("lock.txt") <= requirements("lock-gpu.txt")
    added = requirements("lock-gpu.txt") - requirements("lock.txt")
    assert {line.split("==")[0].split("-")[0] for line in added} == {"nvidia"}


@pytest.mark.parametrize("env", ENVS)
def test_conda_environment_repeats_the_table(env):
    repeated = {
        package: {version} for package, version in conda(env).items() if package != "python"
    }
    assert repeated == {package: VERSIONS.get(package) for package in repeated}


def test_conda_environments_have_one_python_and_no_other_channels():
    listed = [yaml.safe_load(read(env)) for env in ENVS]
    assert {conda(env)["python"] for env in ENVS} == {"3.12.11"}
    assert all(env["channels"] == ["conda-forge", "nodefaults"] for env in listed)
    assert all(isinstance(entry, str) for env in listed for entry in env["dependencies"])


@pytest.mark.parametrize("env", ENVS)
def test_no_pin_file_hides_what_pip_would_install(env):
    """Where a pin file stands beside an environment, Snakemake installs that alone: the section
    `pip:` is not read.
    """
    by_pip = [
        entry for entry in yaml.safe_load(read(env))["dependencies"] if isinstance(entry, dict)
    ]
    assert not (by_pip and list((ROOT / "envs").glob(f"{Path(env).stem}.*.pin.txt")))


def test_every_version_is_used():
    """By an environment, by the workflow itself, or in development."""
    own = {
        "snakemake",
        "jsonschema",
        "pyyaml",
        "pygments",
        "coverage",
        "mutmut",
        "pytest",
        "pytest-xdist",
        "hypothesis",
        "ruff",
        "snakefmt",
        "mypy",
        "yaozarrs",
        "fsspec",  # which yaozarrs reads groups with
        "selenium",
    }
    own |= {
        package for package in VERSIONS if package.startswith("snakemake-")
    }  # clusters and clouds
    assert set(VERSIONS) == own.union(*map(conda, ENVS)) - {"python"}


# What scripts import


def rules():
    """(rule, environment, script) of every rule that runs a script."""
    for path in sorted((ROOT / "workflow" / "rules").glob("*.smk")):
        pattern = r"^(?:rule|checkpoint) (\w+):\n((?:[ \t]+.*\n|\n)*)"
        for rule, body in re.findall(pattern, path.read_text(), re.M):
            found = {
                key: re.search(rf'^    {key}:\s+"([^"]+)"', body, re.M)
                for key in ("conda", "script")
            }
            if found["script"]:
                assert found["conda"], f"rule {rule} has no conda environment"
                # One rule makes all tables: each script in its folder
                script = re.sub(r"{.+?}", "*", found["script"].group(1))
                for file in sorted((ROOT / "workflow" / "rules").glob(script)):
                    path = file.resolve().relative_to(SCRIPTS)
                    yield rule, Path(found["conda"].group(1)).name, str(path)


RULES = list(rules())


@cache
def needs(path):
    """Third-party packages that a file needs, by itself and through the modules of `denoising` that
    it imports.
    """
    return needs_of(path.read_text())


def needs_of(code):
    tree, imported, named = ast.parse(code), set(), set()
    optional = {
        part
        for node in ast.walk(tree)
        if isinstance(node, ast.Try)
        and any("ImportError" in ast.dump(handler) for handler in node.handlers)
        for part in node.body
    }
    for node in ast.walk(tree):
        if node in optional:
            continue
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported |= {f"{node.module}.{alias.name}" for alias in node.names}
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Attribute):
            named.add(node.attr)
    tops = {name.split(".")[0] for name in imported} - set(sys.stdlib_module_names) - {"denoising"}
    packages = {IMPORT_NAMES.get(top, top) for top in tops}
    packages = packages.union(*(BROUGHT_IN[name] for name in named & set(BROUGHT_IN)))
    modules = {name.replace(".", "/") for name in imported if name.startswith("denoising.")}
    files = [SCRIPTS / f"{module}.py" for module in modules]
    files += [file.parent.with_suffix(".py") for file in files]
    return packages.union(*(needs(file) for file in files if file.exists()))


def test_every_script_belongs_to_a_rule():
    paths = [*SCRIPTS.glob("*.py"), *SCRIPTS.glob("tables/*.py"), *SCRIPTS.glob("figures/*.py")]
    assert {script for _, _, script in RULES} == {str(path.relative_to(SCRIPTS)) for path in paths}


@pytest.mark.parametrize(("rule", "env", "script"), RULES)
def test_environment_has_what_the_script_imports(rule, env, script):
    assert needs(SCRIPTS / script) <= set(conda(env))


@pytest.mark.parametrize("env", ENVS)
def test_environment_has_nothing_that_no_script_imports(env):
    imported = set().union(*(needs(SCRIPTS / script) for _, used, script in RULES if used == env))
    assert set(conda(env)) - {"python"} <= imported


def test_what_snakemake_itself_imports_comes_with_snakemake():
    """The rules' own Python runs wherever Snakemake is installed, which may be without any of the
    environments.
    """
    files = [ROOT / "Snakefile", *(ROOT / "workflow" / "rules").glob("*.smk")]
    lines = [
        re.findall(r"^\s*((?:from \S+ )?import .+)$", path.read_text(), re.M) for path in files
    ]
    imported = needs_of("\n".join(line for found in lines for line in found))
    assert {"snakemake", "jinja2", "pyyaml", "jsonschema"} == imported


def test_needs_are_found_through_other_modules():
    assert {"numpy", "pandas", "tifffile", "scipy"} <= needs(SCRIPTS / "patches.py")
    assert {"tensorflow", "csbdeep", "keras", "h5py"} <= needs(SCRIPTS / "restore.py")
    assert {"scikit-image", "pywavelets", "scipy"} <= needs(SCRIPTS / "baseline.py")
