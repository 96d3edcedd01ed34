"""Scores of distances against what people said, as they stand in `curve.csv`: of a cell, and of a finished run anew.

`judged_part` is what is scored, `scores` are the scores of each kind of judgment, `rows` their table, and `scored_run`
is a run folder whose scores are those of this version, whatever version wrote it.
"""
