"""Weights & Biases: `tracker` logs run folders, and five others those of other kinds.

These are `transform_run`, `gains_run` (models that were judged before and after), `heads_run` (scored heads),
`head_labels_run` (scores of labels) and `ablations_run`.
`modes` settles whether and where to, `payload` what is logged, and `wandb_init` logs a run to disk. `upload` hands it
to the server, by `sync_process`. `unlogged` marks what is to be logged, until it is.
"""
