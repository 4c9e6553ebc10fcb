"""The next item is read while one is worked on and the last is written, and no further."""

import threading
import time
import weakref

import numpy as np
import pytest

from denoising.restoration.overlap import overlapped

PAUSE = 0.05


def test_results_come_in_order():
    done = overlapped(range(5), lambda n: n + 1, lambda n: 10 * n, str)
    assert [(item, result()) for item, result in done] == [(n, str(10 * (n + 1))) for n in range(5)]


@pytest.mark.parametrize("items", [[], [7]])
def test_few_items_are_all_done(items):
    done = overlapped(items, str, str, str)
    assert [result() for _, result in done] == list(map(str, items))


def test_the_three_steps_overlap():
    """Each step waits for a step of another item, which without overlap would never come."""
    read = {number: threading.Event() for number in range(5)}
    worked_on = {number: threading.Event() for number in range(4)}

    def reading(number):
        read[number].set()
        return number

    def work(number):
        worked_on[number].set()
        if number < 3:
            assert read[number + 1].wait(5)
        return number

    def write(number):
        if number < 3:
            assert worked_on[number + 1].wait(5)
        return number

    done = overlapped(range(4), reading, work, write)
    assert [result() for _, result in done] == list(range(4))


def test_what_was_read_is_forgotten_before_its_result_is_written():
    read = {}

    def reading(number):
        array = np.zeros(number)
        read[number] = weakref.ref(array)
        return array

    def write(number):
        time.sleep(PAUSE)  # until the other thread has left its work on it
        return read[number]() is None

    done = overlapped(range(3), reading, len, write)
    assert [result() for _, result in done] == [True] * 3


def test_one_item_is_read_ahead_and_one_waits_to_be_written():
    begun = {"read": 0, "worked": 0, "written": 0}

    def step(name, seconds):
        def take(number):
            begun[name] += 1
            ahead = begun["read"] - begun["worked"], begun["worked"] - begun["written"]
            assert ahead[0] <= 2 and ahead[1] <= 2
            time.sleep(seconds)
            return number

        return take

    for slow in begun:
        begun.update(dict.fromkeys(begun, 0))
        seconds = {name: PAUSE if name == slow else 0 for name in begun}
        steps = [step(name, seconds[name]) for name in begun]
        assert [result() for _, result in overlapped(range(4), *steps)] == list(range(4))


@pytest.mark.parametrize("failing", ["read", "work", "write"])
def test_an_error_is_that_of_its_item_alone(failing):
    def step(name):
        def take(number):
            if name == failing and number == 2:
                raise ValueError(f"{name} {number}")
            return number

        return take

    results = dict(overlapped(range(4), step("read"), step("work"), step("write")))
    with pytest.raises(ValueError, match=f"{failing} 2"):
        results.pop(2)()
    assert {item: result() for item, result in results.items()} == {0: 0, 1: 1, 3: 3}
