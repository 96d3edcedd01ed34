"""Weights & Biases: `tracker` logs run folders, `transform_run` those of transforms.

`modes` settles whether and where to, `payload` what is logged, and `wandb_init` starts a run, to disk if need be.
"""
