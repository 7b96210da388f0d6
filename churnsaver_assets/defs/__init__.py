"""The Dagster layer: assets, checks, resources, IO. Thin, over the domain modules."""
