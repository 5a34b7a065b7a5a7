"""The executor: a job goes to the page and its answer comes back, whatever the page does in between."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from edgebench import catalog
from edgebench.devices import profile as profiles
from edgebench.devices.browser import executor as executors
from edgebench.devices.browser.executor import BrowserExecutor
from edgebench.errors import DeviceError, EngineError, UnsupportedError, UsageError, WorkerError
from tests.devices.browser.conftest import COLD, FACTS, STATE, TIMING, USED, Guest, job

ROWS = [[0.1, 0.9], [0.8, 0.2]]
AROUND = {"engine": USED, "before": STATE, "after": STATE}


def ran(executor: BrowserExecutor, page: Guest, what: Any, *replies: dict[str, Any]) -> Any:
    """What the executor makes of the page's replies to one job."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(executor.run, what)
        for reply in replies:
            said = page.ask("GET", "/api/next")[1]
            assert said["state"] == "job"
            assert page.ask("POST", "/api/answer", {"number": said["job"]["number"], **reply})[0] == 204
        return future.result(10)


def test_accuracy_is_scored_here(executor: BrowserExecutor, page: Guest, bag_of_words: Path, engines: None) -> None:
    found = ran(executor, page, job(bag_of_words, "accuracy"), {**AROUND, "probabilities": ROWS})
    assert (found.accuracy.value, found.accuracy.predictions, found.accuracy.probabilities) == (1.0, ["positive", "negative"], ROWS)
    assert found.engine == {"library": "onnxruntime-web", "version": "1.30.0", "threads": 1, "accelerator": "cpu", "details": {"simd": True}}
    assert found.artifact["file"] == "bag/bag.onnx"


def test_latency_says_by_which_clock_and_that_memory_is_not_seen(executor: BrowserExecutor, page: Guest, bag_of_words: Path, engines: None) -> None:
    found = ran(executor, page, job(bag_of_words, "latency"), {**AROUND, "cold": COLD, "timing": {**TIMING, "calls": 3}})
    assert (found.latency.processes_ns, found.latency.tokens, found.latency.calls, found.latency.clock) == ([[5, 6]], [[4, 5]], 3, "performance.now")
    assert found.cold.total_ns == 10
    assert found.notes == ["memory was not measured: a page does not see what its process takes"]


def test_a_sustained_run_has_its_windows(executor: BrowserExecutor, page: Guest, bag_of_words: Path, engines: None) -> None:
    timing = {**TIMING, "windows": [{"at_ns": 5, "runs": 2, "median_ns": 5}]}
    found = ran(executor, page, job(bag_of_words, "latency", scenario="sustained"), {**AROUND, "cold": COLD, "timing": timing})
    assert [(one.runs, one.temp_c, one.throttled) for one in found.sustained.processes[0]] == [(2, None, None)]


def test_the_page_is_given_the_files_by_digest_and_the_order_that_others_time_in(
    executor: BrowserExecutor, page: Guest, bag_of_words: Path, engines: None
) -> None:
    from edgebench.bench.timed import drawn

    with ThreadPoolExecutor(1) as pool:
        what = job(bag_of_words, "latency", seed=7)
        future = pool.submit(executor.run, what)
        said = page.ask("GET", "/api/next")[1]["job"]
        assert [said["examples"][place] for place in said["order"]] == drawn(what.examples, 1, 7)
        model = said["files"]["model"]
        assert len(page.ask("GET", f"/file/{model['sha256']}")[1]) == model["size_bytes"]
        executor.close()
        with pytest.raises(WorkerError, match="let go because the sweep was"):
            future.result(10)


@pytest.mark.parametrize(
    ("reply", "why"),
    [({**AROUND, "probabilities": ROWS[:1]}, "1 answers to 2 examples"), ({**AROUND, "probabilities": [[0.5, 0.5, 0.0]] * 2}, "no probabilities of 2 labels"),
     ({**AROUND, "probabilities": [[0.1, 0.1]] * 2}, "no probabilities of 2 labels"), ({"probabilities": ROWS}, "it names no engine")],
)  # fmt: skip
def test_an_answer_that_does_not_fit_fails_the_cell(
    executor: BrowserExecutor, page: Guest, bag_of_words: Path, engines: None, reply: dict[str, Any], why: str
) -> None:
    with pytest.raises(WorkerError, match=why):
        ran(executor, page, job(bag_of_words, "accuracy"), reply)


def test_threads_that_the_engine_did_not_take_are_no_measurement_of_them(executor: BrowserExecutor, page: Guest, bag_of_words: Path, engines: None) -> None:
    with pytest.raises(UnsupportedError, match="ran with 1 threads on cpu where 4 threads on cpu were asked for"):
        ran(executor, page, job(bag_of_words, "accuracy", threads=4), {**AROUND, "probabilities": ROWS})


def test_what_failed_in_the_page_fails_here_by_the_same_name(executor: BrowserExecutor, page: Guest, bag_of_words: Path, engines: None) -> None:
    with pytest.raises(EngineError, match="in the page: no such operator"):
        ran(executor, page, job(bag_of_words, "accuracy"), {"failure": {"kind": "engine", "message": "no such operator"}})


def test_a_page_loaded_again_gets_its_job_again_until_it_was_lost_too_often(executor: BrowserExecutor, page: Guest, bag_of_words: Path, engines: None) -> None:
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(executor.run, job(bag_of_words, "accuracy"))
        numbers = [page.ask("GET", "/api/next")[1]["job"]["number"] for _ in range(executors.MOST_HANDED)]
        assert len(set(numbers)) == 1
        page.ask("GET", "/api/next")
        with pytest.raises(WorkerError, match="lost 4 times in the middle of this pass; its memory may not suffice"):
            future.result(10)


def test_an_answer_that_comes_twice_counts_once(executor: BrowserExecutor, page: Guest, bag_of_words: Path, engines: None) -> None:
    found = ran(executor, page, job(bag_of_words, "accuracy"), {**AROUND, "probabilities": ROWS})
    assert found.accuracy.n == 2
    assert page.ask("POST", "/api/answer", {"number": 1, **AROUND, "probabilities": ROWS})[0] == 204
    assert page.ask("POST", "/api/answer", {"number": 2, **AROUND, "probabilities": ROWS})[0] == 400


def test_a_page_that_stays_away_is_a_lost_device(bag_of_words: Path, engines: None) -> None:
    executor = BrowserExecutor(profiles.read(catalog.find("devices", "browser")), served=True, away_s=0.2)
    with pytest.raises(DeviceError, match="has said nothing for 200 ms; keep it in front and the screen on"):
        executor.run(job(bag_of_words, "accuracy"))
    executor.close()


def test_the_cells_that_are_offered_can_be_chosen_once(executor: BrowserExecutor, page: Guest) -> None:
    cells: list[dict[str, Any]] = [{"id": "0", "name": "one", "ticked": True, "files": []}, {"id": "1", "name": "two", "ticked": False, "files": []}]
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(executor.offer, cells)
        assert page.ask("GET", "/api/next")[1] == {"results": [], "state": "choose", "cells": cells}
        assert page.ask("POST", "/api/start", {"cells": ["7"]})[0] == 400
        assert page.ask("POST", "/api/start", {"cells": []})[0] == 400
        assert page.ask("POST", "/api/start", {"cells": ["1", "1"]})[0] == 204
        assert future.result(10) == ["1"]


def test_the_host_is_the_phone_and_says_what_only_a_page_knows(executor: BrowserExecutor, page: Guest) -> None:
    host = executor.facts()
    assert (host["board"], host["machine"], host["usable_cores"], host["power_source"]) == ("Pixel 7, Chromium 156.0.1", "arm 64 bit", 8, "battery")
    assert host["page"]["user_agent"] == FACTS["user_agent"]
    assert host["page"]["screen"] == FACTS["screen"]


def test_bench_says_how_such_a_profile_is_reached() -> None:
    with pytest.raises(UsageError, match="run: edgebench serve --profile browser"):
        BrowserExecutor(profiles.read(catalog.find("devices", "browser")))
