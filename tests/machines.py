"""Recorded /proc and /sys trees of four machines, made in a folder: a virtual x86, a Raspberry Pi 5, a phone and a laptop."""

from __future__ import annotations

from pathlib import Path

CPU = "sys/devices/system/cpu"


def tree(root: Path, *parts: dict[str, str]) -> Path:
    """The files of all `parts` below `root`; later ones replace earlier ones."""
    for files in parts:
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
    return root


def clock(cores: range, *, low: int, high: int, now: int, governor: str, **more: str) -> dict[str, str]:
    """The files of one cpufreq policy in kHz, also where each of its cores links to them."""
    files = {"cpuinfo_min_freq": f"{low}\n", "cpuinfo_max_freq": f"{high}\n", "scaling_cur_freq": f"{now}\n", "scaling_governor": f"{governor}\n"}
    files |= {name: f"{text}\n" for name, text in more.items()}
    folders = [f"{CPU}/cpufreq/policy{cores[0]}", *(f"{CPU}/cpu{core}/cpufreq" for core in cores)]
    return {f"{folder}/{name}": text for folder in folders for name, text in files.items()}


VIRTUAL = {
    "proc/cpuinfo": "processor\t: 0\nmodel name\t: Intel(R) Xeon(R) CPU @ 2.20GHz\nflags\t\t: fpu sse2 avx avx2 fma hypervisor avx512f avx512_vnni\n\n" * 2,
    "proc/meminfo": "MemTotal:       16384 kB\nMemFree:         1024 kB\nMemAvailable:    8192 kB\nSwapTotal:           0 kB\nSwapFree:            0 kB\n",
    "proc/loadavg": "0.52 0.58 0.59 1/467 12345\n",
    "proc/pressure/cpu": "some avg10=1.50 avg60=0.80 avg300=0.30 total=123456\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
    "proc/pressure/memory": "some avg10=0.00 avg60=0.00 avg300=0.00 total=789\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
    "proc/stat": "cpu  100 2 30 4000 5 0 6 77 0 0\ncpu0 50 1 15 2000 2 0 3 38 0 0\n",
    "proc/self/cgroup": "0::/\n",
    "proc/self/status": "Name:\tpython\nCpus_allowed:\t3\nCpus_allowed_list:\t0-1\n",
    f"{CPU}/cpu0/topology/core_id": "0\n",
    f"{CPU}/cpu1/topology/core_id": "1\n",
    "sys/class/dmi/id/sys_vendor": "QEMU\n",
    "sys/class/dmi/id/product_name": "Standard PC (Q35 + ICH9, 2009)\n",
    "sys/fs/cgroup/memory.max": "8388608\n",
    "sys/fs/cgroup/cpu.max": "150000 100000\n",
    "sys/fs/cgroup/cpu.stat": "usage_usec 5\nnr_throttled 2\nthrottled_usec 4321\n",
    "sys/kernel/mm/transparent_hugepage/enabled": "[always] madvise never\n",
    "sys/devices/system/clocksource/clocksource0/current_clocksource": "kvm-clock\n",
    "etc/os-release": 'NAME="Debian GNU/Linux"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\n',
    ".dockerenv": "",
}
PI = clock(range(4), low=1500000, high=2400000, now=1500000, governor="ondemand") | {
    "proc/cpuinfo": "".join(
        f"processor\t: {core}\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd evtstrm aes crc32 atomics fphp asimdhp asimddp\nCPU implementer\t: 0x41\n"
        f"CPU architecture: 8\nCPU variant\t: 0x4\nCPU part\t: 0xd0b\nCPU revision\t: 1\n\n" for core in range(4)
    ) + "Revision\t: d04171\nModel\t\t: Raspberry Pi 5 Model B Rev 1.1\n",
    "proc/meminfo": "MemTotal:        8245696 kB\nMemAvailable:    7340032 kB\nSwapTotal:        524272 kB\nSwapFree:         524000 kB\n",
    "proc/loadavg": "0.00 0.01 0.00 1/200 999\n",
    "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.1\0",
    "proc/self/cgroup": "0::/user.slice/user-1000.slice/session-1.scope\n",
    "sys/class/thermal/thermal_zone0/temp": "48850\n",
    "sys/class/thermal/thermal_zone1/temp": "51300\n",
    "sys/class/thermal/thermal_zone2/temp": "0\n",
    "sys/class/thermal/cooling_device0/type": "pwm-fan\n",
    "sys/class/thermal/cooling_device0/cur_state": "2\n",
    "sys/fs/cgroup/user.slice/memory.max": "max\n",
    "sys/fs/cgroup/user.slice/cpu.max": "max 100000\n",
    "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
}
PHONE = (
    clock(range(4), low=300000, high=1800000, now=300000, governor="schedutil")
    | clock(range(4, 7), low=400000, high=2400000, now=2400000, governor="schedutil")
    | clock(range(7, 8), low=500000, high=2850000, now=500000, governor="schedutil")
    | {f"{CPU}/cpu{core}/cpu_capacity": f"{160 if core < 4 else 498 if core < 7 else 1024}\n" for core in range(8)}
    | {
        "proc/cpuinfo": "".join(
            f"processor\t: {core}\nFeatures\t: fp asimd asimddp i8mm\nCPU part\t: {'0xd05' if core < 4 else '0xd41' if core < 7 else '0xd44'}\n\n"
            for core in range(8)
        ),
        "proc/self/status": "Cpus_allowed_list:\t0-7\n",
        "sys/class/thermal/thermal_zone0/temp": "41000\n",
        "sys/class/thermal/cooling_device0/type": "thermal-cpufreq-0\n",
        "sys/class/thermal/cooling_device0/cur_state": "0\n",
        "sys/class/thermal/cooling_device1/type": "thermal-cpufreq-1\n",
        "sys/class/thermal/cooling_device1/cur_state": "3\n",
        "sys/class/power_supply/battery/type": "Battery\n",
        "sys/class/power_supply/battery/status": "Discharging\n",
        "sys/class/power_supply/battery/current_now": "-250000\n",
        "sys/class/power_supply/battery/voltage_now": "4000000\n",
    }
)
LAPTOP = clock(range(1), low=400000, high=4600000, now=900000, governor="powersave", scaling_driver="intel_pstate") | clock(
    range(1, 2), low=400000, high=4600000, now=3100000, governor="powersave",
) | {
    f"{CPU}/cpu0/cpufreq/energy_performance_preference": "balance_performance\n",
    "proc/cpuinfo": "processor\t: 0\nmodel name\t: Intel(R) Core(TM) i7-1165G7 @ 2.80GHz\nflags\t\t: fpu sse2 avx avx2 fma avx512f avx512_vnni\n\n" * 2,
    "proc/meminfo": "MemTotal:       16384 kB\nMemAvailable:    8192 kB\nSwapTotal:        4096 kB\nSwapFree:         1024 kB\n",
    f"{CPU}/smt/active": "1\n",
    f"{CPU}/intel_pstate/no_turbo": "0\n",
    f"{CPU}/cpu0/thermal_throttle/core_throttle_count": "3\n",
    f"{CPU}/cpu0/thermal_throttle/package_throttle_count": "10\n",
    f"{CPU}/cpu1/thermal_throttle/core_throttle_count": "4\n",
    "sys/class/thermal/thermal_zone0/temp": "27800\n",
    "sys/class/hwmon/hwmon3/name": "coretemp\n",
    "sys/class/hwmon/hwmon3/temp1_input": "63000\n",
    "sys/class/hwmon/hwmon4/name": "nvme\n",
    "sys/class/hwmon/hwmon4/temp1_input": "70000\n",
    "sys/class/dmi/id/sys_vendor": "LENOVO\n",
    "sys/class/dmi/id/product_name": "20XW004AGE\n",
    "sys/class/power_supply/AC/type": "Mains\n",
    "sys/class/power_supply/AC/online": "0\n",
    "sys/class/power_supply/BAT0/type": "Battery\n",
    "sys/class/power_supply/BAT0/status": "Discharging\n",
    "sys/class/power_supply/BAT0/energy_now": "40000000\n",
    "sys/class/powercap/intel-rapl:0/name": "package-0\n",
    "sys/class/powercap/intel-rapl:0/energy_uj": "1000000\n",
    "sys/class/powercap/intel-rapl:0/max_energy_range_uj": "262143328850\n",
}
