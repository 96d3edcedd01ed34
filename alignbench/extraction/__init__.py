"""From pixels to distances of pairs, or to features: planned, sharded over processes, streamed through a hooked tower.

`schedule` and `sharding` plan the work before a model is loaded; `pair_extraction` embeds and reduces, `exchange` is
what ranks do at the end, `tower_distances` and `metric_distances` are the ways in for towers and pair metrics,
`features` and `feature_extraction` for whoever wants features; `feature_source` measures features that exist, which
`stored_features` opens, `feature_forms`, `feature_tables` and `stored_layers` read, and `row_matching` finds the rows
of; `execution` says how a tower is run, `distributed` on which processes, `loader` reads pictures, `pixel_cache` keeps
them prepared, and `progress` tells who watches.
"""
