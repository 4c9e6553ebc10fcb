"""What is wrong with a config."""

from denoising.running.names import shortened

LONGEST = 600  # characters


class StudyError(ValueError):
    """A config that describes no study; the message is one sentence that names the key.

    Names and values in it may be a stranger's: it has no line feeds nor other characters that
    cannot be printed, and is cut if it is long.
    """

    def __init__(self, message: str) -> None:
        super().__init__(shortened(message, LONGEST))
