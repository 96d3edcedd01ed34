"""Many finished runs at once: what tells the options of a factor apart, and which findings they bear out.

`comparison` puts two runs side by side; `study` reads many, `groups` says which may be put together, `factors` and
`confounds` compare options. `findings` judges the paper's `statements` by the `rules`, which hold the `contrasts` of
the paper's models on the `levels` against what is claimed; `evidence` says what comes of it.
"""
