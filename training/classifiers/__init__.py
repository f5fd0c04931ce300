"""The models that serving looks at pictures with: the output classifier, the noise-aware head, and
the transformation model, which compares the pictures before and after an edit.

They differ in architecture, seed and data. The head may learn from the classifier's verdicts. No
model learns from the judge.
"""
