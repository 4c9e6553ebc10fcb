"""A stop is no error."""

from denoising.training.signals import Stopped


def test_a_stop_is_no_error_that_a_caller_might_swallow():
    assert not issubclass(Stopped, Exception)
    assert Stopped(143).code == 143
