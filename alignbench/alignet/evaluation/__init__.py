"""Judging a model before against after it was taught, on the same data, as pairs.

`run` does all of it, by what a `config` asks: `human` puts people's judgments to both, `asked_pictures` what is asked
of pictures that are `embedded` by both: `pictures` few-shot classification and distribution shift, `agreement` the
teacher's choices, `relative_distances` a hierarchy of classes. `gain` makes rows of what they give, and `seen` tells
which data teacher or student know already.
"""
