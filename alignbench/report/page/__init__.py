"""alignbench.report.page."""
