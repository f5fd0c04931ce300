"""The guard: its language model and its embedding CNN, what they learn from, their calibration."""
