"""The tagger of names and addresses."""
