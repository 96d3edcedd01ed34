"""What is drawn and written of results: `figures`, `tables`, the `page` that answers questions, and `citations`.

`panels` says which curves go together, `series` how each is drawn, and `references` which published ones stand beside.
"""
