"""The formulas and the names of distances: pure functions of tensors, and the accumulators that take in features.

`names` has DISTANCES and distance_name; `functional` the formulas and ChannelFit, which says what m[c] is fitted on;
`streaming` LayerDistances and ChannelActivity, pair by pair; `dense` DenseDistances and PairBlock, by matrix products.
"""
