"""Jobs have an environment of their own."""

from pathlib import Path

from denoising.running.environment import set_environment
from denoising.running.logs import OWN_CONSOLE

SHELL = {
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "TF_USE_LEGACY_KERAS": "1",
    "PYTHONPATH": "/another/numpy",
    "HOME": "/home/worm",
}


def environment(is_alone=True, has_gpu=False, **more):
    changed = SHELL | more
    set_environment(changed, Path("/workflow/scripts"), is_alone, has_gpu, has_own_console=False)
    return changed


def test_what_a_notebook_or_another_keras_wants_does_not_reach_jobs():
    changed = environment()
    assert changed["MPLBACKEND"] == "Agg"
    assert "TF_USE_LEGACY_KERAS" not in changed
    assert changed["PYTHONPATH"] == "/workflow/scripts"
    assert changed["HOME"] == "/home/worm"


def test_as_a_module_the_paths_of_the_other_workflow_stay():
    assert environment(is_alone=False)["PYTHONPATH"] == "/workflow/scripts:/another/numpy"


def test_tensorflow_is_quiet_only_where_there_is_no_gpu():
    assert environment()["TF_CPP_MIN_LOG_LEVEL"] == "3"
    assert "TF_CPP_MIN_LOG_LEVEL" not in environment(has_gpu=True)
    assert environment(TF_CPP_MIN_LOG_LEVEL="0")["TF_CPP_MIN_LOG_LEVEL"] == "0"


def test_a_cluster_s_jobs_know_that_their_console_is_not_the_users():
    changed = {}
    for has_own_console in (False, True):
        set_environment(changed, Path("/workflow/scripts"), True, True, has_own_console)
        assert changed.get(OWN_CONSOLE) == ("1" if has_own_console else None)
