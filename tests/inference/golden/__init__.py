"""Token ids and encoder states that must not change unless somebody means them to.

The guard's and the rewriter's weights were trained on these token ids, the classifiers' on these
states. `python -m tests.inference.golden` writes the JSON files anew; review their diff.
"""
