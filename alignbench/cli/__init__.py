"""The command line: `main` runs the `commands`, each a thin call into the library.

`options` are what commands share, `console` prints tables and status, `progress` shows how far work is, and
`cell_process` is one cell of a sweep in a process of its own.
"""
