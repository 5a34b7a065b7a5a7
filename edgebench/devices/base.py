"""The contract of an executor: it carries a job to a device, into a process of its own, and brings the answer back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from edgebench.bench.doctor import Finding
    from edgebench.bench.job import Answer, Job
    from edgebench.devices.profile import Profile


class Executor(Protocol):
    """Safe from several threads. Made from a profile; whoever makes one closes it."""

    def __init__(self, profile: Profile) -> None: ...

    def facts(self) -> dict[str, Any]:
        """The device, as `edgebench.bench.host.facts` tells it."""
        ...

    def findings(self) -> list[Finding]:
        """What works on the device and what it senses, as `edgebench doctor` would say there."""
        ...

    def run(self, job: Job) -> Answer:
        """What a fresh process on the device answered; the files that the job needs are brought there first.

        WorkerError for one that crashed, was killed, hung, or said nothing; DeviceError where the device cannot be
        reached; whatever the process itself raised otherwise.
        """
        ...

    def close(self) -> None:
        """End every process that still runs, and their children; further runs raise WorkerError."""
        ...
