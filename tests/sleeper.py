"""python -m tests.sleeper ADDRESS: a station whose device only sleeps, and a cluster of such processes on this machine.

Cells that sleep show how a fleet shares work out, also on a machine with fewer cores than workers.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgebench.bench.job import Answer, Job
from edgebench.devices.profile import Profile
from edgebench.record import Cold

ROOT = Path(__file__).resolve().parent.parent
LONG_S = 60.0
PROFILE = 'schema = 1\nname = "sleeper"\nabout = "only sleeps"\nreach = "sleeper"\n'


class Sleeper:
    """An executor whose every pass is `min_time_s` of sleep."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile

    def facts(self) -> dict[str, Any]:
        return {"machine": "sleeper", "cores": 1, "pid": os.getpid()}

    def run(self, job: Job) -> Answer:
        time.sleep(job.spec.min_time_s)
        return Answer(cold=Cold(process_start_ns=1, import_ns=1, load_ns=1, first_answer_ns=1, total_ns=4))

    def close(self) -> None:
        pass


@dataclass
class Cluster:
    """A scheduler's address, and its workers' processes."""

    address: str
    processes: list[subprocess.Popen[bytes]]

    def kill(self, which: int) -> None:
        """As a pulled plug would."""
        self.processes[which].kill()
        self.processes[which].wait()

    def until(self, client: Any, workers: int) -> None:
        from edgebench.devices import fleet

        deadline = time.monotonic() + LONG_S
        while fleet.workers(client, "sleeper") < workers:
            assert time.monotonic() < deadline, "the workers do not come"
            time.sleep(0.05)


@contextlib.contextmanager
def local_cluster(folder: Path, *, workers: int) -> Iterator[Cluster]:
    """A scheduler in this process, and stations in processes of their own; `folder` holds what they write."""
    import distributed

    home = folder / "stations"
    (home / "devices").mkdir(parents=True)
    (home / "devices" / "sleeper.toml").write_text(PROFILE)
    environment = {**os.environ, "EDGEBENCH_HOME": str(home), "PYTHONPATH": str(ROOT), "DASK_TEMPORARY_DIRECTORY": str(folder)}
    with distributed.LocalCluster(n_workers=0, processes=False, dashboard_address=None, protocol="tcp", host="127.0.0.1") as cluster:
        address = cluster.scheduler_address
        with (folder / "stations.log").open("wb") as log:
            commands = [[sys.executable, "-m", "tests.sleeper", address, str(number)] for number in range(workers)]
            processes = [subprocess.Popen(command, env=environment, stdout=log, stderr=log) for command in commands]
        try:
            yield Cluster(address, processes)
        finally:
            for process in processes:
                process.kill()
                process.wait()


if __name__ == "__main__":
    from edgebench import plugins
    from edgebench.devices import station

    plugins.BUILT_IN["devices"]["sleeper"] = "tests.sleeper:Sleeper"
    station.serve("sleeper", sys.argv[1], name=f"sleeper-{sys.argv[2]}")
