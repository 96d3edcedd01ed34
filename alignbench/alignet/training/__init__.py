"""Training a student on labelled triplets, and the folder that it leaves.

`recipe` is what can change a number, `student` the tower with its new head, `triplet_data` the triplets and pictures,
`batches` those of each step, `validation` held-out ones, `seen_pictures` tells again what a student was trained on,
`loop` the steps, `listener` who hears of them, `checkpoints` what a stopped run goes on from, `stopping` the signals
that stop it, `run` all of it from start to finish, `folder` what is left in the end, `tracked` its run in Weights &
Biases.
"""
