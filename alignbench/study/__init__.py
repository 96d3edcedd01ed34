"""Many finished runs at once: what tells the options of a factor apart, and which findings they bear out.

`answers` says in a sentence whether one model lies above another: `named_runs` and `run_pairs` find their runs,
`comparison` puts two side by side, and `corrected_rows` has intervals that hold for all at once. `study` reads many,
`groups` says which may be put together, `factors` and `confounds` compare options. `findings` judges the paper's
`statements` by the `rules`, which hold the `contrasts` of the paper's models on the `levels` against what is claimed;
`evidence` says what comes of it. `carried_levels` says which labels' heads score higher than others of their layer.
"""
