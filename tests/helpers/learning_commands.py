"""The command that learns transforms of the packaged model from packaged triplets, and options that keep it short."""

LEARN = [
    "transform",
    "learn",
    "--model",
    "shapes-clip",
    "--dataset",
    "shapes-high",
    "--subset",
    "test",
    "--wandb",
    "off",
]
SMALL = ["--limit", "4000", "--objective", "global", "--epochs", "2"]
