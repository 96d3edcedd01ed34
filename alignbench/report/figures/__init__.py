"""alignbench.report.figures."""
