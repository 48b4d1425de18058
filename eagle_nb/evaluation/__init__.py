"""Many samples, many methods, one judge."""
