"""Damaged files are read, read in part or refused; nothing else. benchmarks/fuzz_intake.py does the same for longer."""

import os
import random

import pytest
from intake_mutations import check, mutate, seeds

CASES = int(os.environ.get("SLIPCAST_FUZZ_CASES", "150"))
SEEDS = seeds()


@pytest.mark.parametrize("part", range(10))
def test_a_damaged_file_adds_up_or_is_refused(part):
    for number in range(part, CASES, 10):
        dice = random.Random(number)
        name, raw = SEEDS[number % len(SEEDS)]
        check(name, mutate(raw, dice), max_bad_share=dice.choice([0.2, 1.0]))
