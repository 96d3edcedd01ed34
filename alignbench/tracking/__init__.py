"""Weights & Biases: what a finished run is logged as, and where to."""
