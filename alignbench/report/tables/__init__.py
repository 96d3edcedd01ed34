"""Tables for files: `scores` of all runs, the `leaderboard` of models, and how a `sheet` is written.

A sheet is what people read, with a caption that says what its numbers are; `markdown` and `latex` write it.
"""
