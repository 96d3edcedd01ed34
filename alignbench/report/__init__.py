"""Figures of layer curves, and the report page."""
