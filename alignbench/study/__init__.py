"""Many finished runs at once: what tells the options of a factor apart, and which findings they bear out.

`comparison` puts two runs side by side; `study` reads many, `groups` says which may be put together, `factors` and
`confounds` compare options, `findings` judges by the `rules` on the `levels` with the `evidence` that it gives.
"""
