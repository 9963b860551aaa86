"""Damage to mapping profiles."""

import json
import random
import re

from intake_fuzz.words import FORMULAS, MARKUP, SQL, WHITE, YAML


def mutated_profile(text: str, rng: random.Random) -> str:
    """Return a profile with lines and words changed."""
    lines = text.split("\n")
    for _ in range(rng.choice((1, 1, 2, 4))):
        place = rng.randrange(len(lines))
        word = rng.choice((*YAML, *SQL, *FORMULAS, *MARKUP, *WHITE))
        match rng.randrange(9):
            case 0:
                lines[place] = ""
            case 1:
                lines.insert(place, rng.choice(lines))
            case 2:
                lines[place] = rng.choice(("", "  ", " ", "\t", "- ")) + lines[place].lstrip()
            case 3:
                lines.insert(place, f"{rng.choice(('x', 'missing', 'key', 'features', 'dates', 'filters'))}: {word}")
            case 4 | 5:
                head, colon, _ = lines[place].partition(":")
                lines[place] = f"{head}{colon} {word}"
            case 6:
                cut = rng.randrange(len(lines[place]) + 1)
                lines[place] = lines[place][:cut] + word + lines[place][cut:]
            case 7:
                words = re.findall(r"\w+", lines[place]) or ["x"]
                lines[place] = lines[place].replace(rng.choice(words), json.dumps(word))
            case 8:
                words = re.findall(r"[^\s,\[\]{}:]+", lines[place]) or ["x"]
                lines[place] = lines[place].replace(rng.choice(words), rng.choice(words) + word)
    return "\n".join(lines)
