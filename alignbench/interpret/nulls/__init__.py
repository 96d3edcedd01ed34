"""What the score of a head has to beat: `chance`, the `subspaces` of its layer, and a `twin` of random weights.

Each gives p-values that hold for all components together. To beat chance and to beat the others are different claims.
"""
