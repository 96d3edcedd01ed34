"""Five analyses of heads: neighbours of a picture or a text, by head or together, and maps of a text over a picture.

`neighbours` and `maps` are the analyses as functions of arrays, by the similarities of `similarity`. `asked` reads the
picture that is asked about, of the store or of a file. `search` does an analysis on a store, and leaves a folder.
"""
