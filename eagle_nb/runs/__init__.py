"""Many explanations, many machines: results that survive."""
