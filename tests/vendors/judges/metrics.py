"""Prometheus and Grafana: its client's parser reads /metrics, a PromQL parser the dashboard's queries."""

import json
import re
import sys
import urllib.request
from pathlib import Path

import promql_parser
from prometheus_client.parser import text_string_to_metric_families

folder, url = Path(sys.argv[1]), sys.argv[2]
golden = json.loads((folder / "image/golden.json").read_text())
body = json.dumps({"instances": golden["activities"]}).encode()
urllib.request.urlopen(
    urllib.request.Request(f"{url}/v1/models/slipcast:predict", body, {"Content-Type": "application/json"})
)
with urllib.request.urlopen(f"{url}/metrics") as answer:
    families = {item.name: item for item in text_string_to_metric_families(answer.read().decode())}
kinds = {name: item.type for name, item in families.items()}
assert kinds["slipcast_requests"] == "counter" and kinds["slipcast_request_seconds"] == "histogram", kinds
samples = {(s.name, tuple(sorted(s.labels.items()))): s.value for item in families.values() for s in item.samples}
assert samples["slipcast_score_count", ()] >= len(golden["activities"])
buckets = [value for (name, _), value in samples.items() if name == "slipcast_score_bucket"]
assert buckets == sorted(buckets) and buckets[-1] == samples["slipcast_score_count", ()]
dashboard, queries = json.loads((folder / "image/grafana.json").read_text()), 0
for panel in dashboard["panels"]:
    for target in panel["targets"]:
        promql_parser.parse(target["expr"].replace("$__rate_interval", "5m").replace("$job", ".+"))
        assert re.findall(r"slipcast_\w+", target["expr"])
        queries += 1
print(f"{len(families)} metrics, {queries} queries")
