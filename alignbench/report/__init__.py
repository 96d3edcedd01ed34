"""Figures of layer curves."""
