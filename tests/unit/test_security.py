"""Nothing that a stranger wrote is run: the code uses nothing that would, and files that would run
something when they are unpickled run nothing.

Beside these tests: limits of archives (running/test_tar_files.py, images/test_npz_files.py), https
(running/test_downloads.py), configs (study/test_strange_configs.py), model folders
(study/test_network_files.py, training/test_strange_networks.py), names of files and the umask
(tests/workflow/runs/test_strangers.py), and damaged files of each kind (tests/fuzz).
"""

import ast
import io
import json
import pickle
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from made_up import ROOT

from denoising.images.files import map_image
from denoising.images.npz import import_npz, npz_text, open_array

FILES = sorted((ROOT / "workflow/scripts").rglob("*.py"))
RULES = [ROOT / "Snakefile", *sorted((ROOT / "workflow/rules").glob("*.smk"))]
# Modules that build objects of any class from a file, or run text
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "code"}
UNSAFE_CALLS = {
    "eval", "exec", "__import__", "compile",
    "os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput",
    "yaml.load", "yaml.full_load", "yaml.unsafe_load", "yaml.load_all", "pd.read_pickle",
    "keras.models.load_model", "keras.saving.load_model", "tf.keras.models.load_model",
    "keras.config.enable_unsafe_deserialization", "keras.layers.Lambda",
    "tf.saved_model.load", "tempfile.mktemp",
}  # fmt: skip
# Where text is the code's own: Python calls re.compile by its module
FALSE = {"allow_pickle": True, "shell": True, "safe_mode": False, "verify": False}


def unsafe_in(code):
    """What a piece of Python has that could run what stands in a file, each with its line."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names = {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {(node.module or "").partition(".")[0]}
        else:
            names = set()
        for name in names & UNSAFE_MODULES:
            yield f"line {node.lineno}: {name}"
        if isinstance(node, ast.Call):
            if ast.unparse(node.func) in UNSAFE_CALLS:
                yield f"line {node.lineno}: {ast.unparse(node.func)}"
            for word in node.keywords:
                if isinstance(word.value, ast.Constant) and word.arg in FALSE:
                    if word.value.value is FALSE[word.arg]:
                        yield f"line {node.lineno}: {word.arg}={word.value.value}"
                elif word.arg in FALSE:
                    yield f"line {node.lineno}: {word.arg} is decided elsewhere"
            if ast.unparse(node.func).endswith((".extractall", ".extract")):
                filters = [word.value for word in node.keywords if word.arg == "filter"]
                if [ast.unparse(each) for each in filters] != ["'data'"]:
                    yield f"line {node.lineno}: an archive extracted without filter"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT / "workflow")))
def test_no_code_runs_what_stands_in_a_file(path):
    assert list(unsafe_in(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "code",
    [
        "import pickle", "from pickle import loads", "import joblib.numpy_pickle",
        "np.load(a, allow_pickle=True)", "np.load(a, allow_pickle=trusted)", "eval(a)",
        "subprocess.run(a, shell=True)", "os.system(a)", "yaml.load(a, yaml.Loader)",
        "keras.models.load_model(a)", "f(safe_mode=False)", "requests.get(a, verify=False)",
        "tar.extractall(a)", "tar.extract(a, filter='tar')",
    ],
)  # fmt: skip
def test_code_that_would_is_found(code):
    assert list(unsafe_in(code))


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_no_rule_has_a_shell_command_in_which_a_name_could_stand(path):
    text = path.read_text(encoding="utf-8")
    assert not re.findall(
        r"^\s*(?:shell|run|notebook):|\bshell\(|\bos\.system\b|\beval\(", text, re.M
    )


# Files that run something when they are unpickled


class Harm:
    """What unpickles to a file that is there."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.fixture
def mark(tmp_path):
    return tmp_path / "pwned"


def test_the_harm_of_these_tests_is_real(mark):
    pickle.loads(pickle.dumps(Harm(mark)))
    assert mark.exists()


def npz_with(path, **arrays):
    np.savez(path, **{name: np.array(value, dtype=object) for name, value in arrays.items()})
    return path


def test_objects_in_an_npz_are_never_unpickled(mark, tmp_path):
    path = npz_with(tmp_path / "a.npz", X=Harm(mark), Y=[Harm(mark)], axes=Harm(mark))
    import_npz(path, tmp_path / "volumes", tmp_path / "record.json")
    for read, name in ((open_array, "X"), (open_array, "Y"), (npz_text, "axes")):
        with pytest.raises(ValueError, match=rf"a\.npz: array {name} is object of shape"):
            read(path, name)
    assert not mark.exists()


def test_a_pickle_in_place_of_an_array_is_never_unpickled(mark, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for name in ("X", "Y", "axes"):
            archive.writestr(f"{name}.npy", pickle.dumps(Harm(mark)))
    for read, name in ((open_array, "X"), (npz_text, "axes")):
        with pytest.raises(ValueError, match=rf"a\.npz: array {name} cannot be read"):
            read(tmp_path / "a.npz", name)
    assert not mark.exists()


def zarr_group(path, array, chunk):
    """An OME-Zarr group of version 0.4 whose one array is described so, with its one chunk."""
    axes = [{"name": name, "type": "space"} for name in "zyx"]
    scales = {"multiscales": [{"axes": axes, "datasets": [{"path": "0"}]}]}
    described = {
        "zarr_format": 2, "shape": [2, 3, 4], "chunks": [2, 3, 4], "dtype": "<u2", "order": "C",
        "fill_value": 0, "filters": None, "compressor": None,
    }  # fmt: skip
    (path / "0").mkdir(parents=True)
    (path / ".zgroup").write_text('{"zarr_format": 2}')
    (path / ".zattrs").write_text(json.dumps(scales))
    (path / "0/.zarray").write_text(json.dumps(described | array))
    (path / "0/0.0.0").write_bytes(chunk)
    return path


def test_the_zarr_group_of_these_tests_is_read(tmp_path):
    values = np.arange(24, dtype="<u2").reshape(2, 3, 4)
    image, _ = map_image(zarr_group(tmp_path / "a.ome.zarr", {}, values.tobytes()))
    np.testing.assert_array_equal(image, values)


@pytest.mark.parametrize(
    "array",
    [
        {"filters": [{"id": "pickle"}]},
        {"compressor": {"id": "pickle"}},
        {"filters": [{"id": "zlib", "level": 1}, {"id": "pickle"}]},
        {"dtype": "|O", "filters": [{"id": "pickle"}]},
        {"dtype": "|O"},
    ],
    ids=str,
)
def test_pickled_chunks_of_a_zarr_group_are_never_unpickled(array, mark, tmp_path):
    path = zarr_group(tmp_path / "a.ome.zarr", array, pickle.dumps(Harm(mark)))
    with pytest.raises(ValueError, match=r"a\.ome\.zarr: not a readable OME-Zarr group"):
        map_image(path)
    assert not mark.exists()


@pytest.mark.parametrize("to", ["../secret.ome.zarr/0", "0/../../secret.ome.zarr/0", "/secret"])
def test_a_zarr_group_reads_nothing_beside_it(to, tmp_path):
    zarr_group(tmp_path / "secret.ome.zarr", {}, np.ones(24, "<u2").tobytes())
    path = zarr_group(tmp_path / "a.ome.zarr", {}, bytes(48))
    described = path / ".zattrs"
    described.write_text(described.read_text().replace('"path": "0"', f'"path": "{to}"'))
    with pytest.raises(ValueError, match=r"a\.ome\.zarr: not a readable OME-Zarr group"):
        map_image(path)


def test_memory_is_not_the_price_of_a_text(tmp_path):
    """A hundred megabytes of letters in a hundred kilobytes."""
    file = io.BytesIO()
    np.save(file, np.array("S" * (25 << 20)))
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("axes.npy", file.getvalue())
    with pytest.raises(ValueError, match=r"a\.npz: array axes is <U26214400 of shape"):
        npz_text(tmp_path / "a.npz", "axes")
