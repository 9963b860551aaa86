"""Requests of Locust by the plan that the environment variable ``LOAD_PLAN`` names; the answers go into a file.

A plan is JSON:

- ``targets`` by name: ``url``, ``headers``; ``wrapped``, whether a function's answer for API Gateway comes as it is;
  ``bare``, whether it answers a constant; ``process``, whose memory is read
- ``order``: the target of each block of ``block_seconds``, over and over. All users ask the same target at a time and
  change together, so that a disturbance of the machine meets all targets alike
- ``requests`` and ``malformed``: ``name``, ``body``, ``headers``; every ``wrong_every``-th request is malformed
- ``stages``: seconds and users; ``pace``: requests a second of a user, as fast as it can if there is none
- ``count``: the end, once the first target has had so many requests
- ``answers``: the file that takes what was found
"""

import itertools
import json
import os
import time
from pathlib import Path

from locust import FastHttpUser, LoadTestShape, constant_throughput, events, task

PLAN = json.loads(Path(os.environ["LOAD_PLAN"]).read_text())
TARGETS = PLAN["targets"]
ORDER, FIRST = PLAN["order"], PLAN["order"][0]
FOUND = {
    name: {
        "ms": [],
        "at": [],
        "users": [],
        "statuses": [],
        "faults": [],
        "fault_count": 0,
        "retry_after": [],
        "memory": [],
    }
    for name in TARGETS
}
NUMBER, SAMPLE = itertools.count(), 500
BEGAN = time.monotonic()


def memory(process):
    """Return resident and proportional set size of a process in KiB."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    found = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith(("Rss:", "Pss:"))}
    return [found["Rss"], found["Pss"]]


def answer_of(response, wrapped):
    """Return status, headers in lower case and body, out of the answer of a function if it is `wrapped` in one."""
    text = response.text
    if wrapped and response.status_code == 200:
        answer = json.loads(text)
        if "statusCode" not in answer:
            return 502, {}, text
        headers = answer.get("headers") or {}
        headers |= {name: value[0] for name, value in (answer.get("multiValueHeaders") or {}).items()}
        return answer["statusCode"], {name.lower(): value for name, value in headers.items()}, answer.get("body") or ""
    return response.status_code, {name.lower(): value for name, value in response.headers.items()}, text


def fault(status, headers, body, wrong, bare):
    """Return what an answer is not that it has to be; None if it is."""
    if status == 429:
        if not headers.get("retry-after"):
            return "429 without Retry-After"
    elif wrong:
        if not 400 <= status < 500:
            return f"{wrong}: answered with {status}: {body[:200]}"
    elif status != 200:
        return f"answered with {status}: {body[:200]}"
    elif not bare and json.loads(body)["errors"]:
        return f"a right activity was refused: {body[:200]}"
    if status >= 400 and not headers.get("content-type", "").startswith("application/problem+json"):
        return f"{status} is no problem document: {body[:200]}"
    if status >= 400 and json.loads(body).get("status", status) != status:
        return f"{status} says that it is another: {body[:200]}"
    return None


class Caller(FastHttpUser):
    """Asks one request after the other over a connection that is kept."""

    host = "http://127.0.0.1"
    network_timeout = connection_timeout = 120.0
    if PLAN.get("pace"):
        wait_time = constant_throughput(PLAN["pace"])

    @task
    def ask(self):
        """Ask the target whose turn it is for the next request."""
        name = ORDER[int((time.monotonic() - BEGAN) / PLAN["block_seconds"]) % len(ORDER)]
        target, found, number = TARGETS[name], FOUND[name], next(NUMBER)
        every = PLAN.get("wrong_every")
        wrong = bool(every) and number % every == every - 1
        chosen = PLAN["malformed"] if wrong else PLAN["requests"]
        request = chosen[(number // every if wrong else number) % len(chosen)]
        began = time.perf_counter()
        with self.client.post(
            target["url"],
            data=request["body"].encode("utf-8", "surrogatepass"),
            headers=target["headers"] | request["headers"],
            name=name,
            catch_response=True,
        ) as response:
            taken = (time.perf_counter() - began) * 1000
            try:
                status, headers, body = answer_of(response, target["wrapped"])
                said = fault(status, headers, body, wrong and not target["bare"] and request["name"], target["bare"])
            except (ValueError, KeyError, TypeError) as error:
                status, headers, said = response.status_code, {}, f"{type(error).__name__}: {error}"
            response.success()
        found["ms"].append(round(taken, 4))
        found["at"].append(round(time.monotonic() - BEGAN, 3))
        found["users"].append(self.environment.runner.user_count)
        found["statuses"].append(status)
        if status == 429:
            found["retry_after"].append(headers.get("retry-after"))
        if said:
            found["fault_count"] += 1
            found["faults"] = [*found["faults"], said][:10]
        if target.get("process") and len(found["ms"]) % SAMPLE == 0:
            found["memory"].append([len(found["ms"]), *memory(target["process"])])
        if PLAN.get("count") and len(FOUND[FIRST]["ms"]) >= PLAN["count"]:
            self.environment.runner.quit()


class Stages(LoadTestShape):
    """So many users for so many seconds, stage by stage."""

    def tick(self):
        """Return how many users there are to be now; None at the end."""
        passed = self.get_run_time()
        for seconds, users in PLAN["stages"]:
            if passed < seconds:
                # All at once, also those that go.
                return users, 1000
            passed -= seconds
        return None


@events.quitting.add_listener
def write(**_):
    """Write what was found."""
    Path(PLAN["answers"]).write_text(json.dumps(FOUND))
