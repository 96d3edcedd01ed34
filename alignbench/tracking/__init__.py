"""Weights & Biases: `tracker` logs run folders, and three others those of other kinds.

These are `transform_run`, `gains_run` (models that were judged before and after) and `heads_run` (scored heads).
`modes` settles whether and where to, `payload` what is logged, and `wandb_init` logs a run to disk. `upload` hands it
to the server, by `sync_process`. `unlogged` marks what is to be logged, until it is.
"""
