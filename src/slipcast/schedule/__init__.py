"""The critical path method with the rules of Primavera P6: dates, float and driving paths of a network.

`network` says what is scheduled, `engine.schedule` computes the dates, `paths` says what drives them, `quality` checks
whether a schedule can be trusted, `comparison` what changed from one update to the next.
"""
