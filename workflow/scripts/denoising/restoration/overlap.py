"""Steps of many items that overlap: the next item is read while one is worked on and the last is
written.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Read = TypeVar("Read")
Worked = TypeVar("Worked")
Written = TypeVar("Written")


def overlapped(
    items: Iterable[Item],
    read: Callable[[Item], Read],
    work: Callable[[Read], Worked],
    write: Callable[[Worked], Written],
) -> Iterator[tuple[Item, Callable[[], Written]]]:
    """`write(work(read(item)))` for each item, in their order.

    One thread reads and one writes, while this one works. No more than one item is read ahead, and
    no more than one waits to be written.

    Yields
    ------
    item, result
        `result()` is what was written, or raises what one of the item's steps raised. The other
        items go on, if the caller does.
    """
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        written: tuple[Item, Callable[[], Written]] | None = None
        for item, source in _one_ahead(reader, read, items):
            worked = _outcome(work, source)
            del source  # it may hold much
            if written is not None:
                yield written
            written = item, writer.submit(_written, write, worked).result
            del worked
        if written is not None:
            yield written


def _one_ahead(
    reader: ThreadPoolExecutor, read: Callable[[Item], Read], items: Iterable[Item]
) -> Iterator[tuple[Item, "Future[Read]"]]:
    """Each item and its reading, which begins when the one before is taken."""
    waiting: deque[tuple[Item, Future[Read]]] = deque()
    for item in items:
        waiting.append((item, reader.submit(read, item)))
        if len(waiting) > 1:
            yield waiting.popleft()
    yield from waiting


def _outcome(work: Callable[[Read], Worked], source: "Future[Read]") -> "Future[Worked]":
    """What work on a source gave or raised."""
    outcome: Future[Worked] = Future()
    try:
        outcome.set_result(work(source.result()))
    except Exception as error:
        outcome.set_exception(error)
    return outcome


def _written(write: Callable[[Worked], Written], worked: "Future[Worked]") -> Written:
    return write(worked.result())
