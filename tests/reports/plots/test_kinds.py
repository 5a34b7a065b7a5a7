"""Each plot draws the numbers of its records: points, bars and lines are read back from the figure."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import fmean

import pytest

from edgebench.bench import stats
from edgebench.record import Record
from edgebench.reports import pairs
from edgebench.reports.plots import energy, latency, memory, pareto, phases, roofline, sections, sustained, throughput
from edgebench.reports.plots.base import NARROW, PAPER, WIDE, Plot, drawn
from tests.reports.conftest import accuracy, full, rated
from tests.reports.plots.conftest import lines, texts

pytest.importorskip("matplotlib", reason="plots need matplotlib; install edgebench[report]")

Make = Callable[..., Record]


def axes_of(plots: list[Plot], width: float = WIDE) -> list:  # type: ignore[type-arg]
    (plot,) = plots
    return drawn(plot, width).axes


@pytest.fixture
def two() -> list[Record]:
    return [full("onnxruntime", "fp32", 2), full("tflite", "int8", 1, accuracy=accuracy(0.88))]


def test_a_point_of_the_front_stands_at_its_time_and_accuracy(two: list[Record]) -> None:
    (axes,) = axes_of(pareto.plots(two))
    marks = {tuple(round(float(one), 6) for one in mark.get_offsets()[0]): mark for mark in axes.collections if mark.get_gid() == "cell"}
    assert set(marks) == {(2.0, 91.0), (1.0, 88.0)}
    assert axes.get_xlabel() == "median time of a query (ms, logarithmic)\n2 processes and 872 examples a cell"
    assert axes.get_ylabel() == "accuracy (%)"


@pytest.mark.parametrize("verdict", ["invalid", "noisy"])
def test_only_points_of_the_front_are_filled_and_no_invalid_cell_is(two: list[Record], make: Make, verdict: str) -> None:
    from matplotlib.colors import to_rgba

    best = full("torchscript", "int8", 0.1, verdict=verdict, reasons=["why"], accuracy=accuracy(0.97))
    beaten = full("torchscript", "fp32", 3, accuracy=accuracy(0.5), artifact={"size_bytes": 20_000_000})
    (axes,) = axes_of(pareto.plots([*two, best, beaten]))
    filled = {
        round(float(mark.get_offsets()[0][0]), 6): tuple(mark.get_facecolor()[0]) != to_rgba(PAPER) for mark in axes.collections if mark.get_gid() == "cell"
    }
    assert filled == {2.0: True, 1.0: True, 0.1: False, 3.0: False}
    crosses = [mark for mark in axes.collections if mark.get_gid() == "invalid"]
    assert [round(float(mark.get_offsets()[0][0]), 6) for mark in crosses] == ([0.1] if verdict == "invalid" else [])


def test_a_point_that_needs_more_memory_is_larger_in_proportion(two: list[Record]) -> None:
    import msgspec

    assert two[1].memory
    two[1] = msgspec.structs.replace(two[1], memory=msgspec.structs.replace(two[1].memory, peak_bytes=40_200_000))
    (axes,) = axes_of(pareto.plots(two))
    large, small = (mark.get_sizes()[0] for mark in axes.collections if mark.get_gid() == "cell")
    assert large == pytest.approx(2 * small)


def test_bars_are_the_intervals_of_time_and_of_accuracy(two: list[Record]) -> None:
    (axes,) = axes_of(pareto.plots([*two[:1], full("tflite", "fp32", 4)]))
    ends = sorted(tuple(float(one) for one in segment.flatten()) for bars in axes.containers for part in bars[2] for segment in part.get_segments())
    assert (2.0, 89.0, 2.0, 92.8) in [tuple(round(one, 6) for one in end) for end in ends]


def test_each_question_has_a_front_of_its_own(two: list[Record]) -> None:
    plots = pareto.plots([*two, *(full(name, "int8", 5, spec={"length": 32}) for name in ("tflite", "onnxruntime"))])
    assert [plot.title for plot in plots] == ["single-stream, own lengths", "single-stream, 32 tokens"]


def test_one_cell_alone_is_no_choice(two: list[Record]) -> None:
    assert pareto.plots(two[:1]) == []

def test_a_model_of_several_speeds_has_a_line_through_the_points_that_none_of_its_own_beats_and_a_ring_around_each() -> None:
    found = [full("onnxruntime", "int8", ms, spec={"model": f"elastic@{name}"}, accuracy=accuracy(right))
             for name, ms, right in (("1x1", 8, 0.9), ("0.5x1", 4, 0.8), ("1x0.5", 5, 0.7))]  # fmt: skip
    (plot,) = pareto.plots([*found, full("tflite", "int8", 6)])
    (axes,) = axes_of([plot])
    (line,) = [one for one in axes.lines if one.get_gid() == "curve"]
    assert list(line.get_ydata()) == pytest.approx([80, 90, 90])
    assert len(next(one for one in axes.collections if one.get_gid() == "front").get_offsets()) == 2
    assert "The area under it" in plot.about


@pytest.mark.parametrize(("count", "width"), [(7, WIDE), (8, WIDE), (4, NARROW), (5, NARROW), (24, WIDE), (24, NARROW)])
def test_every_cell_has_its_name_in_the_picture_and_no_two_names_overlap(count: int, width: float) -> None:
    records = [full(f"engine{place}", "int8", 1 + place / 9, accuracy=accuracy(0.8 + place % 5 / 50)) for place in range(count)]
    (plot,) = pareto.plots(records)
    figure = drawn(plot, width)
    written = texts(figure)
    assert all(any(f"engine{place} int8" in text for text in written) for place in range(count))
    figure.draw_without_rendering()
    boxes = [one.get_window_extent() for one in figure.axes[0].texts if one.get_text()]
    assert len(boxes) == count
    overlaps = sum(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[:place])
    assert overlaps == 0


def test_a_hills_line_is_the_median_and_its_bar_the_interval_over_processes(two: list[Record]) -> None:
    (axes,) = axes_of(latency.plots(two))
    interval = stats.interval(pairs.series(two[1]))
    medians = [float(part.get_segments()[0][0][0]) for part in axes.collections if part.get_gid() == "median"]
    assert medians == pytest.approx([1.0, 2.0])
    assert lines(axes, "interval")[0][0] == pytest.approx([interval.low / 1e6, interval.high / 1e6])
    assert [x for x, _ in lines(axes, "p90")] == [[2.0], [4.0]]
    assert axes.get_xlabel() == "time of a whole call (ms, logarithmic)\n100 calls in 2 processes a cell"


def test_the_fastest_row_is_at_the_top_and_a_verdict_is_named(make: Make) -> None:
    records = [make("onnxruntime", "fp32", 2), make("tflite", "int8", 1, verdict="noisy", reasons=["why"])]
    (axes,) = axes_of(latency.plots(records))
    assert [one.get_text() for one in axes.get_yticklabels()] == ["tflite int8 (noisy)", "onnxruntime fp32"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]


def test_calls_beyond_the_axis_are_counted_at_their_row(make: Make) -> None:
    import msgspec

    record = make("tflite", "int8", 1, n=400)
    assert record.latency
    slow = msgspec.structs.replace(record.latency, processes_ns=[[*record.latency.processes_ns[0], 900_000_000], record.latency.processes_ns[1]])
    (axes,) = axes_of(latency.plots([msgspec.structs.replace(record, latency=slow)]))
    assert axes.get_xlim()[1] < 10
    assert "1.00 ms\n(1 slower, to 900 ms)" in texts(axes.figure)


def test_fewer_calls_than_make_a_hill_are_dots(make: Make) -> None:
    (axes,) = axes_of(latency.plots([make("tflite", "int8", 1, n=10)]))
    ((calls, _),) = lines(axes, "call")
    assert sorted(calls) == [1.0] * 8 + [2.0] * 2


def test_many_cells_are_spread_over_pictures() -> None:
    plots = latency.plots([full(f"engine{place}", "int8", 1 + place) for place in range(40)])
    assert [plot.title for plot in plots] == ["part 1", "part 2"]


def test_an_engine_has_one_colour_in_all_pictures_of_the_same_records() -> None:
    many = [full(f"engine{place % 7}", "int8", 1 + place, spec={"threads": 1 + place}) for place in range(24)]
    records = [*many, full("engine6", "fp32", 90), full("engine5", "fp32", 91)]
    first, second = (drawn(plot).axes[0] for plot in latency.plots(records))

    def colour(axes, row):  # type: ignore[no-untyped-def]
        hills = [one for one in axes.collections if one.get_gid() is None]
        return tuple(hills[row].get_facecolor()[0])

    assert [colour(second, 0), colour(second, 1)] == [colour(first, 6), colour(first, 5)]


def test_stages_are_stacked_means(two: list[Record]) -> None:
    (axes,) = axes_of(phases.stages(two))
    assert {bars.get_label(): [round(float(one.get_width()), 6) for one in bars] for bars in axes.containers} == {
        "tokenise": [0.2, 0.2], "run": [0.9, 0.9], "decode": [0.05, 0.05],
    }  # fmt: skip
    assert [float(one.get_x()) for one in axes.containers[1]] == pytest.approx([0.2, 0.2])
    assert "1.15 ms" in texts(axes.figure)


def test_phases_of_a_cold_start_are_stacked_means_with_a_dot_for_each_process(two: list[Record]) -> None:
    (axes,) = axes_of(phases.cold(two[:1]))
    assert {bars.get_label(): [float(one.get_width()) for one in bars] for bars in axes.containers} == {
        "process start": [20], "imports": [30], "load": [40], "first answer": [60],
    }  # fmt: skip
    assert lines(axes, "process") == [([100, 200], [0, 0])]
    assert fmean(lines(axes, "process")[0][0]) == 150


def test_memory_is_drawn_at_its_four_points(two: list[Record]) -> None:
    (axes,) = axes_of(memory.plots(two))
    assert {field: lines(axes, field)[0][0][0] for _, field, _ in memory.POINTS} == {
        "baseline_bytes": 50, "loaded_bytes": 60, "first_answer_bytes": 70, "peak_bytes": 80.4,
    }  # fmt: skip
    assert axes.get_xlabel() == "resident memory (MB)"
    assert axes.get_xlim()[0] == 0


def test_a_rate_is_a_dot_for_each_process_in_which_one_held() -> None:
    (axes,) = axes_of(throughput.rates([rated("tflite", [100, None, 120])]))
    assert lines(axes, "process") == [([100, 120], [0, 0])]
    assert f"{math.sqrt(100 * 120):.0f} /s" in texts(axes.figure)


def test_a_servers_trials_stand_at_their_rate_and_latency_and_those_without_at_the_edge() -> None:
    (axes,) = axes_of(throughput.trials([rated("tflite", [100])]))
    assert [lines(axes, name) for name in ("holds", "fails")] == [[([100], [8])], [([200], [90])]]
    assert lines(axes, "cut") == [([400], [0.96])]
    assert axes.get_title(loc="left") == "tflite int8"
    assert axes.get_ylabel() == "99 % within (ms)"


def test_a_sustained_run_has_a_panel_for_time_and_one_for_each_sensor_that_is_there(two: list[Record]) -> None:
    time, heat, clock = axes_of(sustained.plots(two[:1]))
    assert lines(time, "process") == [([5, 10], [1, 1.5])]
    assert lines(time, "throttled") == [([10], [1.5])]
    assert [lines(one, "process") for one in (heat, clock)] == [[([5, 10], [50, 50])], [([5, 10], [2.4, 2.4])]]
    assert [one.get_ylabel() for one in (time, heat, clock)] == ["median of a window (ms)", "temperature (°C)", "clock (GHz)"]


def test_without_a_sensor_there_is_no_panel_for_it(two: list[Record]) -> None:
    import msgspec

    assert two[0].sustained
    windows = [msgspec.structs.replace(one, temp_c=None, freq_hz=None) for one in two[0].sustained.processes[0]]
    record = msgspec.structs.replace(two[0], sustained=msgspec.structs.replace(two[0].sustained, processes=[windows]))
    assert len(axes_of(sustained.plots([record]))) == 1


def test_energy_is_that_of_a_call_beyond_sleep(two: list[Record]) -> None:
    (plot,) = energy.plots(two)
    (axes,) = drawn(plot).axes
    assert [float(one.get_width()) for one in axes.containers[0]] == [500, 500]
    assert axes.get_xlabel() == "energy of a call (mJ)"
    assert "by rapl (what it sees: package-0)" in plot.about


def test_energy_by_different_meters_is_not_drawn_together(two: list[Record]) -> None:
    import msgspec

    assert two[0].energy
    other = msgspec.structs.replace(two[0], energy=msgspec.structs.replace(two[0].energy, scope="whole device"))
    assert [plot.title for plot in energy.plots([other, two[1]])] == ["whole device", "package-0"]


def test_a_cell_stands_under_its_roof_at_operations_over_its_time(two: list[Record]) -> None:
    (axes,) = axes_of(roofline.plots(two[:1]))
    interval = stats.interval(pairs.series(two[0])).value
    ((x, y),) = lines(axes, "cell")
    assert (x, y) == ([1.0], [pytest.approx(1e6 / (interval / 1e9) / 1e9)])
    ((xs, ys),) = lines(axes, "roof")
    assert (xs[1], ys[1:]) == (4.0, [8, 8])
    assert ys[0] == pytest.approx(xs[0] * 2)
    assert any(text == "onnxruntime fp32\n25.0 %" for text in texts(axes.figure))
    assert (axes.get_xscale(), axes.get_yscale(), axes.get_ylabel()) == ("log", "log", "Gop/s (logarithmic)")


def test_the_bar_of_a_cell_under_its_roof_is_its_interval_of_time_turned_round(two: list[Record]) -> None:
    import msgspec

    assert two[0].latency
    apart = msgspec.structs.replace(two[0].latency, processes_ns=[[1_000_000] * 3, [1_100_000] * 3])
    record = msgspec.structs.replace(two[0], latency=apart)
    (axes,) = axes_of(roofline.plots([record]))
    interval = stats.interval(pairs.series(record))
    ((start, end),) = axes.containers[0][2][0].get_segments()
    assert [float(start[1]), float(end[1])] == pytest.approx([1e6 / interval.high, 1e6 / interval.low])


def test_a_cell_without_a_roof_of_its_precision_is_not_drawn(two: list[Record]) -> None:
    import msgspec

    assert two[0].work
    assert roofline.plots([msgspec.structs.replace(two[0], work=msgspec.structs.replace(two[0].work, precision="int4"))]) == []


def test_kinds_without_data_are_absent(make: Make) -> None:
    found = sections([make("tflite", "int8", 1), make("onnxruntime", "int8", 1)])
    assert [plot.name for section in found for plot in section.plots] == ["pareto", "latency", "memory", "cold-start"]


def test_a_cell_that_was_measured_twice_is_drawn_once_by_its_latest_record(make: Make) -> None:
    old, new = make("tflite", "int8", 1, started_at="2026-01-01"), make("tflite", "int8", 2, started_at="2026-01-02")
    (plot,) = (plot for section in sections([new, old]) for plot in section.plots if plot.name == "latency")
    (axes,) = drawn(plot).axes
    assert [float(part.get_segments()[0][0][0]) for part in axes.collections if part.get_gid() == "median"] == pytest.approx([2.0])


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (1, 2, [1, 1.2, 1.4, 1.6, 1.8, 2]), (0.5, 3, [0.5, 0.7, 1, 1.5, 2, 3]), (1, 200, [1, 2, 5, 10, 20, 50, 100, 200]),
        (0.01, 1e4, [0.01, 0.1, 1, 10, 100, 1000, 1e4]),
    ],
)
def test_a_logarithmic_axis_has_ticks_enough_however_short_it_is(low: float, high: float, ticks: list[float]) -> None:
    from edgebench.reports.plots.base import figure, logarithmic

    _, (axes,) = figure(WIDE, 3)
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    logarithmic(axes.xaxis, low, high)
    assert [round(one, 6) for one in axes.get_xticks() if low <= one <= high] == ticks


def test_the_bar_of_a_cells_memory_reaches_from_its_engine_to_its_peak(two: list[Record]) -> None:
    (axes,) = axes_of(memory.plots(two[:1]))
    ((start, end),) = axes.collections[0].get_segments()
    assert (float(start[0]), float(end[0])) == (50, 80.4)


def test_a_run_of_many_minutes_has_them_on_its_axis(two: list[Record]) -> None:
    import msgspec

    assert two[0].sustained
    windows = [msgspec.structs.replace(one, at_ns=60 * one.at_ns, temp_c=None, freq_hz=None) for one in two[0].sustained.processes[0]]
    (axes,) = axes_of(sustained.plots([msgspec.structs.replace(two[0], sustained=msgspec.structs.replace(two[0].sustained, processes=[windows]))]))
    assert lines(axes, "process")[0][0] == [5, 10]
    assert axes.get_xlabel() == "time since the first call (min)"
