"""What becomes of a model's zero-shot accuracy without the direct contributions of some of its parts.

`labelled` says which class and which group each picture of a store is of, and `class_texts` what classes are called.
`arms` has what can be ablated, `replacing` what is put in its place, `zero_shot` which pictures are classified right,
and `accuracy` the scores of all arms with their intervals. `ablating` does it for a store, and leaves a folder.
"""
