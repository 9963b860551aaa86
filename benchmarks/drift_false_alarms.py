"""How often the monitor speaks when nothing happened, beside what one of its two conditions alone would say.

``.venv/bin/python benchmarks/drift_false_alarms.py`` parts the June 2025 example at random: one half is the reference,
windows are drawn from the other. Prints the share of 1,000 windows of each size with at least one drifted feature.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "layers" / "slipcast"))

from slipcast import candidates, labels, split, versions  # noqa: E402 - the path is set above
from slipcast.drift import compare  # noqa: E402
from slipcast.feature_table import feature_table  # noqa: E402
from slipcast.ingest.schedule import read_schedule  # noqa: E402
from slipcast.pipeline import build_pipeline  # noqa: E402
from slipcast.profile import profile  # noqa: E402

EXAMPLE = ROOT / "examples" / "nyc_sca_2025-06.csv"
WINDOWS = 1000
SIZES = (200, 300, 500, 1000)


def _table() -> pd.DataFrame:
    with tempfile.TemporaryDirectory() as folder:
        return versions.read_table(read_schedule(EXAMPLE, EXAMPLE.name, workdir=Path(folder)).table)


def main() -> None:
    """Measure and print."""
    labelled = labels.label(_table(), 30)
    reference, held = split.random_split(labelled, 0.5, seed=1)
    candidate = next(item for item in candidates.load_candidates() if item.name == "decision_tree")
    model = build_pipeline(candidate, 1, max_depth=6, min_samples_leaf=50)
    model.fit(feature_table(reference), reference["is_late"])
    scores = model.predict_proba(feature_table(reference))[:, 1]
    known = profile(feature_table(reference), scores, reference["is_late"].to_numpy())
    features, later = feature_table(held), model.predict_proba(feature_table(held))[:, 1]
    rng = np.random.default_rng(1)
    print(f"{'rows':>6} {'our rule':>9} {'PSI > .1 alone':>15} {'corrected p < .05 alone':>24}")
    for size in SIZES:
        counts = np.zeros(3)
        for _ in range(WINDOWS):
            rows = rng.choice(len(held), size, replace=False)
            report = compare(known, features.iloc[rows], later[rows])
            found = report.features.values()
            counts += [
                report.state == "drift",
                any(item["psi"] > 0.1 for item in found),
                any(item["p_value"] < 0.05 for item in found),
            ]
        rule, psi, significant = counts / WINDOWS
        print(f"{size:>6} {rule:>9.1%} {psi:>15.1%} {significant:>24.1%}")


if __name__ == "__main__":
    main()
