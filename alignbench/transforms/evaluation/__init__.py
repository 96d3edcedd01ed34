"""Judging a transform before and after: `run` does all of it, `measures` compare, `folder` keeps what came out.

`odd_one_out` and `similarity` ask people's judgments, `downstream` what is left of other uses, and `leakage` which data
the transform has seen.
"""
