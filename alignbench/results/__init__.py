"""What a run leaves behind, and the published values: layer curves, run folders, and how they are read back.

`layer_curve` has the scores of a run, `run_folder` writes and finds folders, `stored_run` reads all that is in one:
`run_record` its settings and what else is told of it, `judgment_table` its judgments. `folders` says what makes one
whole, and `published` has the paper's curves.

What `alignbench interpret` leaves is told apart by `head_stages`, and read by a module for each folder that is shown:
`head_texts`, `head_labels`, `head_scores`, `head_ablations`, `head_alignment`.
"""
