"""Airflow: DagBag imports both DAGs without an error; `dag.test()` runs one with the given configuration."""

import json
import os
import sys
import tempfile
from pathlib import Path

folder, run, configuration = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
home = tempfile.mkdtemp()
os.environ |= {
    "AIRFLOW_HOME": home,
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
    "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(
        [
            {
                "name": "port",
                "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
                "kwargs": {"path": str(folder / "dags")},
            }
        ]
    ),
}
import subprocess  # noqa: E402

subprocess.run([str(Path(sys.executable).parent / "airflow"), "db", "migrate"], check=True, capture_output=True)

from airflow.dag_processing.dagbag import DagBag  # noqa: E402

bag = DagBag(dag_folder=str(folder / "dags"))
assert not bag.import_errors, bag.import_errors
assert {*bag.dags} == {"slipcast_stack", "slipcast_steps"}, bag.dags
if run != "-":
    from airflow.dag_processing.bundles.manager import DagBundlesManager

    DagBundlesManager().sync_bundles_to_db()
    done = bag.dags[run].test(run_conf=configuration)
    states = {item.task_id: str(item.state) for item in done.get_task_instances()}
    returned = {item.task_id: item.xcom_pull(task_ids=item.task_id) for item in done.get_task_instances()}
    print(json.dumps({"state": str(done.state), "tasks": states, "returned": returned}, default=str))
    assert str(done.state).endswith("success"), states
else:
    print(f"{len(bag.dags)} DAGs")
