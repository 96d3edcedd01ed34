"""What is drawn of results: `figures` of curves, readouts and similarities, and the `page` that answers questions.

`panels` says which curves go together and `series` how each is drawn, for figures and page alike.
"""
