"""Scores of distances against what people said, with intervals, noise ceilings and paired tests.

`scores` is the way in (score_ratings, score_choices, Resampled); `correlations`, `logistic` and `agreement` are the
formulas, `bootstrap` resamples and makes intervals and p-values, `noise_ceiling` says what could be reached, `paired`
scores runs in the same resamples, and `simultaneous` bounds many contrasts at once. Where judgments share objects,
`shared_objects` counts each two that do once, with the `influences` of the judgments, and `object_variance` says what
follows; `rated_pairs` does so for ratings of pairs of pictures, and crosses pictures with the subjects who rated them.
`joint` holds scores that err together; `selection` says whose best layer is higher and where a curve may peak,
`bands` where curves differ over depth, and `cross_fit` what a layer chosen by the data is worth. `rating_ceiling` says
what could be reached of mean ratings, `subject_ceilings` where each subject's are known, `incremental` what distances
say beyond others (`conditional_logit` where people choose), and `smallest_difference` what a comparison could have
shown. `corrected` has intervals that hold together, and `drawn_maxima` the p-values that go with such. No model and no
data set is known here.
"""
