"""Image files, volumes, archives and pairs."""
