"""The study's library: plain functions on arrays, paths and tables; it knows no workflow engine."""
