"""The head browser: a page on this machine that shows what heads say, served to whoever has its address with the token.

`serving` puts the server together and runs it; `guards` see to every request before anything else does, and `sessions`
keep what belongs to one visitor. `routes` are its addresses, `questions` what may be asked, `answers` the JSON of what
is found, `rendering` the pictures. `world` is what is browsed: the store, its `pictures` and the model; `uploads` reads
pictures that visitors bring, `asking` does the analyses, and `work_queue` has them wait for their turn.
`plain_errors` says what went wrong without a path. `page` is HTML, CSS and JavaScript.

`head_folders` reads the folders that lie beside a store, `aligned_places` how close heads are to people in each place.
`colourings` makes grids of layers and heads of them, and `head_cards` what there is to say of one head; `head_grid` has
all together.
"""
