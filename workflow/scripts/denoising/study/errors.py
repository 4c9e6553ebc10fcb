"""What is wrong with a config."""


class StudyError(ValueError):
    """A config that describes no study; the message is one sentence that names the key."""
