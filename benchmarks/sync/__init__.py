"""How well two followers keep step, ours and others', over lines of several kinds.

`python -m benchmarks.sync --help`. A contender is a module here with a function of the type `stage.Play`.
"""
