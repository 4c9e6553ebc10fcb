"""Scores, calibration and their statistics."""
