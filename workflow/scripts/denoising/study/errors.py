"""What is wrong with a config."""

LONGEST = 600  # characters


class StudyError(ValueError):
    """A config that describes no study; the message is one sentence that names the key.

    Names and values in it may be a stranger's: it has no line feeds nor other characters that
    cannot be printed, and is cut if it is long.
    """

    def __init__(self, message: str) -> None:
        super().__init__(shortened(message, LONGEST))


def shortened(text: str, most: int) -> str:
    """The text on one line, with a ? for each character that cannot be printed."""
    line = "".join(letter if letter.isprintable() else "?" for letter in text[: most + 1])
    return line if len(text) <= most else f"{line[:most]} ..."
