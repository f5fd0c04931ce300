"""Everything that makes the miniature models: the world, its models, the adapters."""
