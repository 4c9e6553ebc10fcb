"""Patches, splits, network and training."""
