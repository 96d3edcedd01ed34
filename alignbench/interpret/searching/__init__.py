"""Analyses of heads: neighbours of a picture or a text, maps over a picture, pairs that people find alike.

`neighbours` and `maps` are the analyses as functions of arrays, by the similarities of `similarity`. `asked` reads the
picture that is asked about, of the store or of a file. `analysis` does an analysis on a store, `tables` makes a
table of what it has found, and `search` leaves a folder of that. `why` splits a similarity by the texts of heads, which
`picked_texts` reads. `differences` compares the neighbours that two models find, or one before and after alignment.
`attention` says where in a picture heads look. `people` works out which pairs of pictures people find alike, and how
alike heads find them; `judged_pairs` does so for a store of pictures of a data set.
"""
