"""The study that a config describes."""
