"""The three models that look at pictures: output classifier, noise-aware head, and the judge.

They differ in architecture, seed and data, and none trains or steers another.
"""
