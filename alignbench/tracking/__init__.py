"""Weights & Biases: `tracker` logs run folders, `transform_run` those of transforms.

`modes` settles whether and where to, `payload` what is logged, and `wandb_init` logs a run to disk. `upload` hands it
to the server, by `sync_process`. `unlogged` marks what is to be logged, until it is.
"""
