"""Restoration by networks and by classical baselines."""
