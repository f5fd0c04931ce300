"""The rewriter, and what it learns from."""
