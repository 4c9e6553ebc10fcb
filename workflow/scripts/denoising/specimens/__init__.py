"""Simulated specimens."""
