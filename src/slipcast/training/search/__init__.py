"""Search for the best candidate, divided into tasks that run in parallel.

`folds` divides the training rows, `halving` chooses the parameter points of each round, `tasks` divides a round into
tasks, `worker` carries out one task, `data` holds a task's input, `summary` records the result.
"""
