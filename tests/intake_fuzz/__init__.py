"""A fuzzer of the intake: damaged schedules, and what must hold whatever becomes of them.

`cases` makes a case from a number, `checks` reads it and judges how it ended, `runs` does so for many.
``benchmarks/fuzz_intake.py`` is the command.
"""
