"""What is wrong with the files of a dataset: all of it is said at once."""

import contextlib
from collections.abc import Iterator
from pathlib import Path


def grouped(notes: list[tuple[str, str]]) -> list[str]:
    """Notes (where, what) as lines "where, where: what", one for all places of the same note.

    The remedy, which stands behind the last semicolon of a note, is said once behind all notes that
    have it.
    """
    by_remedy: dict[str, dict[str, list[str]]] = {}
    for where, note in dict.fromkeys(notes):
        what, _, remedy = note.rpartition("; ")
        by_remedy.setdefault(remedy, {}).setdefault(what, []).append(where)
    lines = []
    for remedy, by_note in by_remedy.items():
        said = [f"{', '.join(where)}: {what}" for what, where in by_note.items()]
        if said[-1].endswith(": "):  # a note without a semicolon
            lines += [line + remedy for line in said]
        else:
            lines += [*said[:-1], f"{said[-1]}; {remedy}"]
    return lines


class Problems:
    """Problems of a dataset's files, collected until `raise_all`."""

    def __init__(self, dataset: str) -> None:
        self.dataset = dataset
        self.notes: list[tuple[str, str]] = []

    def add(self, where: str, what: str) -> None:
        self.notes.append((where, what))

    @contextlib.contextmanager
    def noted(self, path: Path) -> Iterator[None]:
        """Note an error of the block, which is about the file at `path`, and go on."""
        try:
            yield
        except ValueError as error:
            self.add(str(path), str(error).removeprefix(f"{path}: "))
        except (FileNotFoundError, PermissionError) as error:
            self.add(str(path), f"cannot be read ({error.strerror}); see whether it is there.")

    def raise_all(self) -> None:
        """Raise one error for all problems, if there are some.

        Raises
        ------
        ValueError
            With a line for each problem, which names all files that have it.
        """
        lines = grouped(self.notes)
        if not lines:
            return
        count = len({where for where, _ in self.notes})
        if count == 1:
            raise ValueError("\n".join(lines))
        raise ValueError(
            f"datasets.{self.dataset}: {count} files or pairs cannot be used.\n  "
            + "\n  ".join(lines)
        )
