"""The search for the best candidate, cut into tasks that run side by side.

`folds` cuts the training rows, `race` chooses the parameter points of each round, `tasks` cuts a round into tasks,
`work` carries out one task, `data` holds what a task reads, `record` says in the end what was found.
"""
