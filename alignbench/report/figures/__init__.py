"""Figures for files: `curves` over depth and `channels`, the `readout` of a linear map, `similarity` of pictures."""
