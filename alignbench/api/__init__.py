"""The package from Python: what `import alignbench` offers to scripts and notebooks, as `cli` is it in a terminal.

`measuring` measures, `loading` reads finished runs; `curves` and `runs` are what both give, and `tables` how notebooks
show them. `lists` says what can be measured and on what, `progress` is the bar, and `words` makes the options that
errors name arguments.
"""
