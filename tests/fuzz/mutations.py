"""Damage to files: what disks, transfers and people who mean harm do to them."""

import random
from collections.abc import Iterator

HEAD = 600  # bytes in which formats keep their headers
NUMBERS = (0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 40, (1 << 63) - 1)


def mutations(whole: bytes, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """`count` damaged copies of a file, each with a name of what was done to it."""
    source = random.Random(seed)
    ways = [_truncate, _flip, _zero, _splice, _number, _number, _several]
    for number in range(count):
        way = ways[number % len(ways)]
        yield f"{number:03d} {way.__name__[1:]}", bytes(way(bytearray(whole), source))


def _place(data: bytearray, source: random.Random) -> int:
    """A byte; of the head or the tail, where headers and directories lie, twice as often."""
    size = max(1, len(data))
    where = source.random()
    if where < 0.4:
        return source.randrange(min(HEAD, size))
    if where < 0.6:
        return size - 1 - source.randrange(min(HEAD, size))
    return source.randrange(size)


def _truncate(data: bytearray, source: random.Random) -> bytearray:
    return data[: _place(data, source)]


def _flip(data: bytearray, source: random.Random) -> bytearray:
    for _ in range(source.choice((1, 1, 4))):
        data[_place(data, source)] ^= 1 << source.randrange(8)
    return data


def _zero(data: bytearray, source: random.Random) -> bytearray:
    start = _place(data, source)
    length = min(source.choice((4, 32, 512)), len(data) - start)
    data[start : start + length] = bytes(length)
    return data


def _splice(data: bytearray, source: random.Random) -> bytearray:
    start = _place(data, source)
    taken = _place(data, source)
    return data[:start] + data[taken:]


def _number(data: bytearray, source: random.Random) -> bytearray:
    """A number of two, four or eight bytes that no file means."""
    size = source.choice((2, 4, 8))
    start = _place(data, source) // 2 * 2
    value = source.choice(NUMBERS) % (1 << (8 * size))
    data[start : start + size] = value.to_bytes(size, source.choice(("little", "big")))
    return data


def _several(data: bytearray, source: random.Random) -> bytearray:
    for _ in range(3):
        data = source.choice((_flip, _zero, _number))(data, source)
    return data
