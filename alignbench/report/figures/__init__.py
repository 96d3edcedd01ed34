"""Figures for files: `curves` over depth, the `readout` that a linear map reaches, `similarity` before and after."""
