"""The drawn world with known truth, and models that live in it. Imports only `core`."""
