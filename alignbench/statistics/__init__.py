"""Scores of distances against what people said, with intervals, noise ceilings and paired tests.

`scores` is the way in (score_ratings, score_choices, Resampled); `correlations`, `logistic` and `agreement` are the
formulas, `bootstrap` resamples and makes intervals and p-values, `noise_ceiling` says what could be reached, `paired`
scores runs in the same resamples, and `max_t` bounds the best of many. No model and no data set is known here.
"""
