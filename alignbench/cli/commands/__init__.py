"""alignbench.cli.commands."""
