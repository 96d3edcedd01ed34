"""Image-quality baselines: pair metrics that stand beside the models, registered as plug-ins.

They use only alignbench's public interface, through the entry-point group `alignbench.metrics`.
"""
