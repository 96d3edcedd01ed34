"""The rules by which the findings of the paper are judged, on the runs of a study as on the published values.

`sizes` is about OpenAI's four sizes, `distances` about the three distances and what explains them, `abstraction` about
what changes from level to level, `training` about SigLIP, Chinese-CLIP and BiomedCLIP, `baselines` about metrics of
image quality; `needs` says what a rule lacks. They were written with the published values at hand.
"""
