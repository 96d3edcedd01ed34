"""Learning affine transforms from odd-one-out triplets: a job (`run`) learns each layer (`layers`, `train`).

`losses` are the objectives, `folds` hold objects out, `search` tries hyper-parameters, `inputs` embeds the pictures and
`folder` keeps what was learned.
"""
