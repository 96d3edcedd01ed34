"""One cell of the study from start to finish: a model on a data set, as a curve of scores over layers.

Read `pipeline` first: it loads source and judgments, gets distances, scores them and keeps a record, each step in a
lower room. `cell` is what to measure, `protocol` what the protocols change, `sources` loads models, `stored_kind`
features that exist, `scoring` makes the rows of a curve, `record` what identifies a run; `cost` says what a job would
take.
"""
