"""One explanation and all that it shows. Imports `core` and `search`."""
