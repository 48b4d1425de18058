"""A model as one function, from visible regions to probabilities. Imports no other room."""
