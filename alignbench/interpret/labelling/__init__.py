"""Names for what heads say, and how well the names hold.

`labeller` says what a labeller is and finds one by its name, also one of a plug-in. `words`, `prototypes`, `by_hand`,
`local_chat` and `endpoint` are ours; the last two put the questions of `questions`, and `answers` keeps what a server
has said. `word_lists` reads the words of properties.

`labelling` is the stage from picks to labels, with texts dealt anew by `dealing`, and `scoring` that from labels to
scores, which `measures` works out. `trend` asks whether scores grow with the model.
"""
