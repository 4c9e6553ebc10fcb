"""The same study gives the same results: on one core and on two, in another folder, in another
order of hashes. How far trainings on other numbers of threads differ: docs/provenance.md.
"""

import h5py
import numpy as np
from conftest import copy_of_workflow, results_of

NAMES = ("table_worms", "comparisons", "calibration", "verdicts", "nuclei", "resolution")
TABLES = [f"results/tables/{name}.csv" for name in NAMES]
WEIGHTS = "results/models/*/weights_best.h5"


def arrays_of(path):
    """The arrays of a file of weights, by their names: the file itself holds times."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: found.update({name: item[()]} if hasattr(item, "shape") else {})
        )
    return found


def test_tables_and_weights_are_the_same_to_the_bit(finished, tmp_path):
    finished.run(*finished.arguments(*TABLES))
    root = tmp_path / "another folder"
    root.mkdir()
    other = copy_of_workflow(root)
    other.variables = {"PYTHONHASHSEED": "7"}
    arguments = [*TABLES, "--cores", "1", "--configfile", other.config]
    other.run(*arguments)
    found, expected = results_of(other.root), results_of(finished.root)
    assert set(TABLES) <= set(found)
    assert {name for name in expected if found.get(name) != expected[name]} == set()
    compared = sorted(path.relative_to(finished.root) for path in finished.root.glob(WEIGHTS))
    assert len(compared) == 2
    for path in compared:
        these, those = arrays_of(other.root / path), arrays_of(finished.root / path)
        assert these.keys() == those.keys()
        for name, array in these.items():
            np.testing.assert_array_equal(array, those[name])
