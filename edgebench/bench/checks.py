"""What a cell gave -> a verdict, with reasons: what was seen, what it may mean, and what helps, given the options in use."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import median

from edgebench.bench import stats
from edgebench.bench.dip import Modes, modes
from edgebench.bench.trend import drift
from edgebench.models.card import Score, Tolerance
from edgebench.record import Accuracy, Latency, Memory, Parity, Spec
from edgebench.units import bytes_text, duration_text, percent_text

INTERVAL = 0.03  # half of the interval over processes, relative to its middle: measured again, a cell should be within 3 %
ONE_PROCESS = 0.05  # the same of the calls of one process alone, which know nothing of other processes
DRIFT = 0.04  # of the last third from the first: a time that rises steadily by so much moved the median by 3 %, what a valid cell's may be off
LONG_S = 10.0  # longer than this, --full is no advice any more
MODES_APART, MODE_SHARE = 1.05, 0.05  # two heaps are told of where the upper is so far above the lower, and neither is a handful of outliers
LEAK_RUNS, LEAK_BYTES = 50, 4096  # fewer answers are no series; one step of an allocator, 128 kB in glibc, is 2.6 kB for each of a round of 50 answers
FEW = 500  # with fewer examples a point of accuracy is a handful of them


def compare(found: Accuracy, reference: Accuracy, name: str) -> Parity:
    """A cell's answers beside the reference's, example by example."""
    pairs = list(zip(found.probabilities, reference.probabilities, strict=True))
    same = sum(mine == theirs for mine, theirs in zip(found.predictions, reference.predictions, strict=True))
    return Parity(
        reference=name, n=len(pairs), agreement=same / len(pairs),
        max_difference=max(abs(one - other) for mine, theirs in pairs for one, other in zip(mine, theirs, strict=True)),
    )


def faults(found: Accuracy, parity: Parity | None, expected: Accuracy | Score | None, tolerance: Tolerance, spec: Spec) -> list[str]:
    """Why the cell must not count. `expected` is the reference's accuracy on the same examples, measured now or on the card."""
    reasons = []
    if parity and parity.max_difference > tolerance.difference:
        reasons.append(
            f"a probability differs by {parity.max_difference:.3f} from {parity.reference}, the card allows {tolerance.difference:g}; "
            "the conversion or a kernel is wrong: export again"
        )
    if parity and parity.agreement < tolerance.agreement:
        reasons.append(
            f"{percent_text(parity.agreement)} of {parity.n} answers agree with {parity.reference}, "
            f"the card asks for {percent_text(tolerance.agreement)}; {_what_helps(found.n, spec.examples)}"
        )
    if expected and found.value < expected.value - tolerance.accuracy_loss - 1e-9:
        reasons.append(
            f"{found.metric} is {percent_text(found.value)} on {found.n} examples, {percent_text(expected.value - found.value)} below the reference; "
            f"the card allows {percent_text(tolerance.accuracy_loss)}; {_what_helps(found.n, spec.examples)}"
        )
    return reasons


def recorded(found: Accuracy, score: Score | None) -> Score | None:
    """The card's own figure, where it was measured on the very set that was used here."""
    return score if score and (score.dataset, score.n) == (found.dataset, found.n) else None


def interval_too_wide(processes: Sequence[Sequence[float]]) -> bool:
    """Whether the interval over these processes' samples is too wide for a valid cell."""
    found = stats.interval(processes)
    return found.half_width > (INTERVAL if found.n > 1 else ONE_PROCESS)


def noise(
    processes_ns: Sequence[Sequence[float]], spec: Spec, *, in_order: Sequence[Sequence[float]] | None = None, settled: Sequence[bool] = ()
) -> list[str]:
    """Why the time is not to be relied on. `processes_ns`: the samples of each process, queries, or the one start that it was.

    `in_order`: what a drift is looked for in, e.g. the `levelled` queries; none of it where a change is no fault, but what a
    sustained run is made to find. `settled`: whether each process's warm-up did.
    """
    longer = "measure longer with --full" if spec.min_time_s < LONG_S else "measure on a quieter machine"
    found = stats.interval(processes_ns)
    reasons = []
    if interval_too_wide(processes_ns):
        where = f"from {duration_text(found.low)} to {duration_text(found.high)}"
        what = f"of {found.n} processes" if found.n > 1 else "of one process"
        reasons.append(f"the median {what} lies anywhere {where}; other work or a changing clock is likely: close other programs, and {longer}")
    change = _drift(processes_ns if in_order is None else in_order)
    if abs(change) > DRIFT:
        way = "rose" if change > 0 else "fell"
        reasons.append(f"the time {way} by {abs(change):.0%} while it was measured; {_why_drift(change)}: let the device settle, and {longer}")
    if settled and not any(settled):
        reasons.append(f"no warm-up settled within {spec.warm_up_cap_s:g} s; other work or a changing clock is likely: close other programs, and {longer}")
    return reasons


def levelled(latency: Latency, spec: Spec) -> list[list[float]]:
    """Each process's queries as if all inputs were as long as the usual one: what is left of their differences is the machine's.

    Each is divided by the median of those over as many tokens, where a query is one input and its length is known.
    """
    if spec.batch > 1 or not latency.tokens or any(len(one) != len(two) for one, two in zip(latency.tokens, latency.processes_ns, strict=True)):
        return [list(map(float, samples)) for samples in latency.processes_ns]
    return [_levelled(samples, tokens) for samples, tokens in zip(latency.processes_ns, latency.tokens, strict=True)]


def two_modes(processes_ns: Sequence[Sequence[float]]) -> list[Modes]:
    """Of each process whose calls come in two heaps, by the dip test and far enough apart to matter, the heaps."""
    found = [one for samples in processes_ns if (one := modes(samples))]
    return [one for one in found if one.high > MODES_APART * one.low and MODE_SHARE <= one.share_high <= 1 - MODE_SHARE]


def remarks(spec: Spec, latency: Latency | None, host: dict[str, object], engine: dict[str, object]) -> list[str]:
    """What a reader should know of the cell that is no reason against it."""
    notes = []
    cores, used, resolution = host.get("usable_cores"), engine.get("threads"), host.get("clock_resolution_ns")
    if isinstance(cores, int) and spec.threads > cores:
        notes.append(f"{spec.threads} threads share {cores} usable cores")
    if isinstance(used, int) and used != spec.threads:
        notes.append(f"{spec.threads} threads were asked for, the engine used {used}")
    if latency and isinstance(resolution, float) and median(latency.samples_ns) < 100 * resolution:
        notes.append(f"a call takes less than 100 steps of the clock ({duration_text(resolution)} each)")
    if latency and latency.calls > 1:
        notes.append(f"the clock is coarse, so each sample is the mean of {latency.calls} calls of one input; percentiles are of these means")
    if latency and any(latency.settled) and not all(latency.settled):
        notes.append(f"the warm-up of {latency.settled.count(False)} of {len(latency.settled)} processes did not settle within {spec.warm_up_cap_s:g} s")
    if latency and (heaps := two_modes(levelled(latency, spec))):
        low, high = median(one.low for one in heaps), median(one.high for one in heaps)
        share = percent_text(median(one.share_high for one in heaps))
        notes.append(
            f"two modes in {len(heaps)} of {len(latency.processes_ns)} processes: calls take about {duration_text(low)} or, {share} of them, "
            f"{duration_text(high)}; two clocks, cores that are not alike or other work are likely"
        )
    return notes


def growth(memory: Memory) -> stats.Slope | None:
    """Bytes that resident memory grows by with every answer, after the first round of inputs, in which arenas grow; None of too few answers."""
    settled = _settled(memory)
    return stats.slope(settled) if len(settled) >= LEAK_RUNS else None


def leak(memory: Memory) -> list[str]:
    """What to say of memory that grows with every answer, and as surely in the last round as in the one before: an arena's growth ends."""
    settled, found = _settled(memory), growth(memory)
    rounds = (settled[: len(settled) // 2], settled[len(settled) // 2 :])
    if not found or any(stats.slope(one).low < LEAK_BYTES for one in rounds):
        return []
    grows = f"{bytes_text(found.per_run)} an answer (95 %: {bytes_text(found.low)} to {bytes_text(found.high)}, over {len(settled)} answers)"
    return [f"memory grows by {grows}: the engine or the task leaks, or caches each input; measure more answers to know which"]


def _settled(memory: Memory) -> list[int]:
    """Without the first of three rounds over the same inputs."""
    return memory.series_bytes[len(memory.series_bytes) // 3 :]


def _what_helps(n: int, asked: int | None) -> str:
    """`asked` examples at most were to be taken, None: all; where fewer came the set has no more."""
    if n >= FEW:
        return "the conversion lost it: export again, or take another precision"
    if n == asked:
        return "with so few examples one answer weighs much: take more with --examples"
    return f"one answer weighs much in a set of {n}: give a larger one with --data or --fetch"


def _drift(processes: Sequence[Sequence[float]]) -> float:
    """The median process's change, where every process shows one beyond chance and in the same direction; else 0."""
    found = [drift(samples) for samples in processes]
    real = [one.change for one in found if one and one.is_real]
    return median(real) if real and len(real) == len(processes) and len({one > 0 for one in real}) == 1 else 0.0


def _levelled(samples: Sequence[int], tokens: Sequence[int]) -> list[float]:
    alike: dict[int, list[int]] = defaultdict(list)
    for sample, size in zip(samples, tokens, strict=True):
        alike[size].append(sample)
    usual, levels = median(samples), {size: median(same) for size, same in alike.items()}
    return [usual * sample / max(levels[size], 1) for sample, size in zip(samples, tokens, strict=True)]


def _why_drift(drift: float) -> str:
    return "heat or other work is likely" if drift > 0 else "the warm-up was too short or other work ended"
