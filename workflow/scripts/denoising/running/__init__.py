"""Logs, devices, downloads and provenance."""
