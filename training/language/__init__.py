"""The models that read prompts: guard, rewriter, embedding CNN and name tagger."""
