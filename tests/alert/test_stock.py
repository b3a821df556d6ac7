"""Every stock rule holds on the fault that it is for, and on nothing of a healthy machine's seven hours."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from watchkeeper.alert.rulebook import read_rules
from watchkeeper.alert.rules import Rule
from watchkeeper.alert.settings import AlertSettings
from watchkeeper.config import Document
from watchkeeper.model import Block, Matcher, Series
from watchkeeper.query import Limits, evaluate
from watchkeeper.query.parsing import parse
from watchkeeper.store.finding import condition

END = 1_760_000_400
STEP = 60
HOURS = 7
GIB = float(1 << 30)
DAY = 86_400.0
Figure = Callable[[np.ndarray], np.ndarray] | float
History = dict[str, Figure]
RULES = {rule.key: rule for rule in read_rules(Document({}, {}), AlertSettings())}


def series(text: str) -> Series:
    """A series of box, as the hub places it; its own labels in braces."""
    selector = parse(text)
    own = {one.label: one.value for one in selector.matchers if one.label != "__name__"}  # type: ignore[attr-defined]  # what the rule is made of is known here
    name = next(one.value for one in selector.matchers if one.label == "__name__")  # type: ignore[attr-defined]  # what the rule is made of is known here
    placed = (
        {}
        if name.startswith(("watchkeeper_machine", "watchkeeper_hub", "watchkeeper_event"))
        else {"instance": "box", "job": own.get("server", "node")}
    )
    machine = {} if name.startswith("watchkeeper_hub") else {"machine": "box"}
    return Series(name, tuple(sorted((machine | placed | own).items())))


class Past:
    """A store of made figures, one a minute."""

    def __init__(self, history: Mapping[str, Figure]) -> None:
        times = np.arange(END - HOURS * 3600, END + 1, STEP, dtype=np.float64)
        self._blocks = []
        for text, figure in history.items():
            values = np.full(len(times), figure) if isinstance(figure, float) else figure(times)
            self._blocks.append(Block((series(text),), (times * 1000).astype(np.int64), values[:, None]))
        week = np.arange(END - 7 * DAY, END + 1, 600)
        usual = Series(
            "watchkeeper:probe_duration_seconds:median1h", series('probe_duration_seconds{server="web",probe="http"}').labels
        )
        self._blocks.append(Block((usual,), (week * 1000).astype(np.int64), np.full((len(week), 1), 0.05)))

    def select(self, matchers: Sequence[Matcher], start: int, end: int, most: int | None = None) -> list[Block]:
        """What matches, within the range."""
        found = []
        for block in self._blocks:
            one = block.series[0]
            if all(condition(each)(one.name if each.label == "__name__" else one.label(each.label)) for each in matchers):
                inside = (block.times >= start) & (block.times <= end)
                if inside.any():
                    found.append(Block(block.series, block.times[inside], block.values[inside]))
        return found


def holds(rule: Rule, history: Mapping[str, Figure]) -> bool:
    """Whether its condition holds at the end."""
    found = evaluate(rule.tree, Past(history), END * 1000, END * 1000, 0, Limits())  # type: ignore[arg-type]  # what the rule is made of is known here
    return bool(found.present.any())


def counter(per_second: float) -> Figure:
    """It rises evenly."""
    return lambda times: (times - times[0]) * per_second


def since(seconds: float, before: float, after: float) -> Figure:
    """One value, and another for the last so many seconds."""
    return lambda times: np.where(times > END - seconds, after, before)


def falling(now: float, per_hour: float) -> Figure:
    """It falls evenly to what it is now."""
    return lambda times: now + (END - times) / 3600 * per_hour


def steps(seconds: float, count: int) -> Figure:
    """It rises by one, so many times within the last so many seconds."""
    return lambda times: np.clip(np.floor((times - (END - seconds)) / seconds * count + 1), 0, count)


def turning(period: float) -> Figure:
    """0 and 1 in turn."""
    return lambda times: (np.floor(times / period) % 2).astype(float)


WEB = '{server="web"}'
ROOT = '{device="/dev/sda1",fstype="ext4",mountpoint="/"}'
HEALTHY: History = {
    f"watchkeeper_server_failing{WEB}": 0.0,
    f"watchkeeper_server_processes{WEB}": 2.0,
    f"watchkeeper_server_restarts_total{WEB}": 0.0,
    f"watchkeeper_server_log_bytes_total{WEB}": counter(1000),
    f"watchkeeper_server_backoff_seconds{WEB}": 0.0,
    f"watchkeeper_server_hung{WEB}": 0.0,
    f"watchkeeper_server_needs_person{WEB}": 0.0,
    'probe_duration_seconds{server="web",probe="http"}': 0.05,
    'probe_ssl_earliest_cert_expiry{server="web",probe="http"}': END + 60 * DAY,
    'probe_cloud_messages_sent{server="web",probe="cloud"}': 10.0,
    'probe_cloud_messages_lost{server="web",probe="cloud"}': 0.0,
    'probe_cloud_round_trip_seconds{server="web",probe="cloud"}': 0.01,
    'http_requests_total{server="web",code="200"}': counter(10),
    'http_requests_total{server="web",code="500"}': counter(0.01),
    f"cloud_connections{WEB}": 100.0,
    f"process_open_fds{WEB}": 50.0,
    f"process_max_fds{WEB}": 1024.0,
    f"process_resident_memory_bytes{WEB}": 1.0 * GIB,
    f"process_cpu_seconds_total{WEB}": counter(0.3),
    f"process_threads{WEB}": 1.0,
    "watchkeeper_machine_silent_seconds": 2.0,
    "watchkeeper_machine_period_seconds": 5.0,
    "watchkeeper_machine_late_seconds": 0.1,
    "watchkeeper_machine_clock_seconds": 0.01,
    'watchkeeper_event_timestamp_seconds{kind="config_reloaded"}': END - 5000.0,
    "node_memory_MemTotal_bytes": 16 * GIB,
    "node_memory_MemAvailable_bytes": 8 * GIB,
    "node_pressure_memory_stalled_seconds_total": counter(0.001),
    "node_pressure_cpu_waiting_seconds_total": counter(0.05),
    "node_vmstat_oom_kill": 0.0,
    "node_vmstat_pswpin": counter(1),
    "node_vmstat_pswpout": counter(1),
    "node_vmstat_pgmajfault": counter(2),
    'node_cpu_seconds_total{cpu="0",mode="idle"}': counter(0.7),
    'node_cpu_seconds_total{cpu="1",mode="idle"}': counter(0.7),
    'node_cpu_seconds_total{cpu="0",mode="steal"}': counter(0.01),
    "node_load5": 1.0,
    'node_systemd_unit_state{name="cron.service",state="failed"}': 0.0,
    "node_reboot_required": 0.0,
    f"node_filesystem_avail_bytes{ROOT}": 60 * GIB,
    f"node_filesystem_size_bytes{ROOT}": 100 * GIB,
    f"node_filesystem_readonly{ROOT}": 0.0,
    f"node_filesystem_device_error{ROOT}": 0.0,
    f"node_filesystem_files{ROOT}": 1_000_000.0,
    f"node_filesystem_files_free{ROOT}": 800_000.0,
    'node_disk_io_time_seconds_total{device="sda"}': counter(0.2),
    'node_disk_io_time_weighted_seconds_total{device="sda"}': counter(0.5),
    'node_disk_reads_completed_total{device="sda"}': counter(50),
    'node_disk_writes_completed_total{device="sda"}': counter(50),
    'node_disk_read_time_seconds_total{device="sda"}': counter(0.1),
    'node_disk_write_time_seconds_total{device="sda"}': counter(0.1),
    'node_md_disks_required{device="md0"}': 2.0,
    'node_md_disks{device="md0",state="active"}': 2.0,
    'node_md_disks{device="md0",state="failed"}': 0.0,
    'smartmon_device_smart_healthy{disk="/dev/sda"}': 1.0,
    'node_network_receive_bytes_total{device="eth0"}': counter(1e6),
    'node_network_transmit_bytes_total{device="eth0"}': counter(1e6),
    'node_network_receive_packets_total{device="eth0"}': counter(1000),
    'node_network_transmit_packets_total{device="eth0"}': counter(1000),
    'node_network_receive_errs_total{device="eth0"}': 0.0,
    'node_network_receive_drop_total{device="eth0"}': counter(0.01),
    'node_network_transmit_errs_total{device="eth0"}': 0.0,
    'node_network_transmit_drop_total{device="eth0"}': 0.0,
    'node_network_speed_bytes{device="eth0"}': 125e6,
    "node_netstat_TcpExt_ListenOverflows": 0.0,
    "node_netstat_TcpExt_ListenDrops": 0.0,
    "node_nf_conntrack_entries": 1000.0,
    "node_nf_conntrack_entries_limit": 262_144.0,
    "node_filefd_allocated": 2000.0,
    "node_filefd_maximum": 1e6,
    "node_processes_threads": 400.0,
    "node_processes_max_processes": 32_768.0,
    "node_timex_offset_seconds": 0.001,
    "node_timex_sync_status": 1.0,
    "node_timex_maxerror_seconds": 0.2,
    'node_hwmon_temp_celsius{chip="cpu",sensor="temp1"}': 50.0,
    'node_hwmon_temp_max_celsius{chip="cpu",sensor="temp1"}': 80.0,
    'node_hwmon_temp_crit_celsius{chip="cpu",sensor="temp1"}': 100.0,
    'watchkeeper_channel_failures{channel="mail"}': 0.0,
    'watchkeeper_channel_oldest_seconds{channel="mail"}': 1.0,
    'watchkeeper_heartbeat_up{heartbeat="backup"}': 1.0,
    "watchkeeper_agent_hub_unreachable": 0.0,
    "watchkeeper_hub_blind": 0.0,
    "watchkeeper_agent_cpu_seconds_total": counter(0.002),
    "watchkeeper_agent_resident_memory_bytes": 30e6,
    "watchkeeper_hub_data_avail_bytes": 50 * GIB,
    "watchkeeper_hub_data_size_bytes": 100 * GIB,
    "watchkeeper_store_refused_commits_total": 0.0,
    "watchkeeper_drill_age_seconds": 5.0 * DAY,
    'watchkeeper_server_capacity_stale{server="web"}': 0.0,
}

FAULTS: dict[str, History] = {
    "ServerDown/critical": {f"watchkeeper_server_failing{WEB}": 1.0, f"watchkeeper_server_processes{WEB}": math.nan},
    "ServerHung/critical": {f"watchkeeper_server_failing{WEB}": 1.0, f"watchkeeper_server_up{WEB}": 0.0},
    "ServerNeedsPerson/critical": {f"watchkeeper_server_needs_person{WEB}": 1.0},
    "ServerCrashLooping/critical": {f"watchkeeper_server_restarts_total{WEB}": steps(540, 3)},
    "ServerStillFailing/critical": {
        f"watchkeeper_server_failing{WEB}": since(1200, 0, 1),
        f"watchkeeper_server_backoff_seconds{WEB}": 40.0,
    },
    "ServerRestarted/info": {f"watchkeeper_server_restarts_total{WEB}": since(120, 0, 1)},
    "ServerFlapping/warning": {f"watchkeeper_server_failing{WEB}": turning(180)},
    "ServerLogFlood/warning": {f"watchkeeper_server_log_bytes_total{WEB}": counter(5 << 20)},
    "ServerSlow/warning": {'probe_duration_seconds{server="web",probe="http"}': since(600, 0.05, 2)},
    "ServerErrors/warning": {'http_requests_total{server="web",code="500"}': counter(1)},
    "ServerErrors/critical": {'http_requests_total{server="web",code="500"}': counter(5)},
    "ServerConnectionsNearLimit/warning": {f"cloud_connections{WEB}": 850.0},
    "ServerConnectionsNearLimit/critical": {f"cloud_connections{WEB}": 1000.0},
    "RelayLoss/warning": {'probe_cloud_messages_lost{server="web",probe="cloud"}': since(200, 0, 1)},
    "RelayLoss/critical": {'probe_cloud_messages_lost{server="web",probe="cloud"}': 10.0},
    "ProcessFDHigh/warning": {f"process_open_fds{WEB}": 900.0},
    "ProcessFDHigh/critical": {f"process_open_fds{WEB}": 1000.0},
    "ProcessMemoryLeak/warning": {f"process_resident_memory_bytes{WEB}": lambda times: GIB + (times - times[0]) / 3600 * GIB},
    "ProcessMemoryHigh/warning": {f"process_resident_memory_bytes{WEB}": 15 * GIB},
    "ProcessMemoryHigh/critical": {f"process_resident_memory_bytes{WEB}": 15.8 * GIB},
    "ProcessCpuSaturated/warning": {f"process_cpu_seconds_total{WEB}": counter(0.99)},
    "CertExpiring/warning": {'probe_ssl_earliest_cert_expiry{server="web",probe="http"}': END + 10 * DAY},
    "CertExpiring/critical": {'probe_ssl_earliest_cert_expiry{server="web",probe="http"}': END - 1 * DAY},
    "HostSilent/critical": {"watchkeeper_machine_silent_seconds": 95.0},
    "AgentLate/warning": {"watchkeeper_machine_late_seconds": 400.0},
    "HostRebooted/warning": {'watchkeeper_event_timestamp_seconds{kind="machine_rebooted"}': END - 60.0},
    "DiskFillingUp/warning": {f"node_filesystem_avail_bytes{ROOT}": falling(30 * GIB, 3 * GIB)},
    "DiskFillingFast/critical": {f"node_filesystem_avail_bytes{ROOT}": falling(15 * GIB, 6 * GIB)},
    "DiskLow/warning": {f"node_filesystem_avail_bytes{ROOT}": 8 * GIB},
    "DiskCritical/critical": {f"node_filesystem_avail_bytes{ROOT}": 0.4 * GIB},
    "InodesLow/warning": {f"node_filesystem_files_free{ROOT}": 80_000.0},
    "InodesLow/critical": {f"node_filesystem_files_free{ROOT}": 20_000.0},
    "FilesystemReadOnly/critical": {f"node_filesystem_readonly{ROOT}": since(120, 0, 1)},
    "DiskBusy/warning": {'node_disk_io_time_seconds_total{device="sda"}': counter(0.99)},
    "DiskSlow/warning": {'node_disk_read_time_seconds_total{device="sda"}': counter(20)},
    "DiskUnhealthy/critical": {'node_md_disks{device="md0",state="active"}': 1.0},
    "DiskUnhealthy/critical#2": {'smartmon_device_smart_healthy{disk="/dev/sda"}': 0.0},
    "MemoryLow/warning": {"node_memory_MemAvailable_bytes": 1.0 * GIB},
    "MemoryCritical/critical": {"node_pressure_memory_stalled_seconds_total": counter(0.3)},
    "OomKill/warning": {"node_vmstat_oom_kill": since(120, 0, 1)},
    "OomKill/critical": {
        "node_vmstat_oom_kill": since(120, 0, 1),
        'watchkeeper_event_timestamp_seconds{kind="server_exited",server="web"}': END - 100.0,
    },
    "SwapThrashing/warning": {"node_vmstat_pswpout": counter(1000)},
    "CpuSaturated/warning": {
        'node_cpu_seconds_total{cpu="0",mode="idle"}': counter(0.02),
        'node_cpu_seconds_total{cpu="1",mode="idle"}': counter(0.02),
    },
    "LoadHigh/info": {"node_load5": 9.0, "node_pressure_cpu_waiting_seconds_total": counter(0.4)},
    "CpuSteal/warning": {'node_cpu_seconds_total{cpu="0",mode="steal"}': counter(0.2)},
    "UnitFailed/warning": {'node_systemd_unit_state{name="cron.service",state="failed"}': 1.0},
    "RebootRequired/info": {"node_reboot_required": 1.0},
    "NetErrors/warning": {'node_network_receive_drop_total{device="eth0"}': counter(50)},
    "NetSaturated/warning": {'node_network_transmit_bytes_total{device="eth0"}': counter(120e6)},
    "ListenOverflow/warning": {"node_netstat_TcpExt_ListenOverflows": counter(5)},
    "TcpPortsOrConntrack/warning": {"node_nf_conntrack_entries": 210_000.0},
    "TcpPortsOrConntrack/critical": {"node_nf_conntrack_entries": 250_000.0},
    "KernelFDs/warning": {"node_filefd_allocated": 850_000.0},
    "KernelFDs/critical": {"node_filefd_allocated": 950_000.0},
    "KernelPids/warning": {"node_processes_threads": 28_000.0},
    "KernelPids/critical": {"node_processes_threads": 31_000.0},
    "ClockSkew/warning": {"watchkeeper_machine_clock_seconds": -30.0},
    "ClockSkew/critical": {"node_timex_offset_seconds": -3.0},
    "ClockSkew/info": {"node_timex_sync_status": 0.0, "node_timex_maxerror_seconds": 16.0},
    "TooHot/warning": {'node_hwmon_temp_celsius{chip="cpu",sensor="temp1"}': 85.0},
    "TooHot/critical": {'node_hwmon_temp_celsius{chip="cpu",sensor="temp1"}': 101.0},
    "Watchdog/info": {},
    "NotificationFailing/critical": {'watchkeeper_channel_failures{channel="mail"}': 3.0},
    "HeartbeatMissed/critical": {'watchkeeper_heartbeat_up{heartbeat="backup"}': 0.0},
    "HubUnreachable/critical": {"watchkeeper_agent_hub_unreachable": 1.0},
    "ObserverBlind/warning": {"watchkeeper_hub_blind": 1.0},
    "ObserverHeavy/warning": {"watchkeeper_agent_cpu_seconds_total": counter(0.1)},
    "HubStorage/critical": {"watchkeeper_hub_data_avail_bytes": 3 * GIB},
    "ConfigRejected/warning": {'watchkeeper_event_timestamp_seconds{kind="config_rejected"}': END - 60.0},
    "DrillOverdue/info": {"watchkeeper_drill_age_seconds": 40.0 * DAY},
    "DrillOverdue/warning": {"watchkeeper_drill_age_seconds": 70.0 * DAY},
    "BaselineStale/info": {'watchkeeper_server_capacity_stale{server="web"}': 1.0},
}
ALERTS = sorted(key for key, rule in RULES.items() if rule.kind == "alert")


@pytest.mark.parametrize("key", ALERTS)
def test_it_holds_on_its_fault(key: str) -> None:
    """The figures of that fault, everything else as on a healthy machine."""
    assert holds(RULES[key], HEALTHY | FAULTS[key])


@pytest.mark.parametrize("key", [key for key in ALERTS if key != "Watchdog/info"])
def test_it_holds_on_nothing_healthy(key: str) -> None:
    """Not once, at the end of seven quiet hours; and with no figures at all it says nothing."""
    assert not holds(RULES[key], HEALTHY)
    assert not holds(RULES[key], {})


@pytest.mark.parametrize("key", [key for key in ALERTS if RULES[key].clear is not None])
def test_what_clears_it_holds_when_all_is_well(key: str) -> None:
    """And not while it lasts: an alert that nothing ends would be one for ever."""
    rule = RULES[key]
    assert rule.clear is not None
    past = Past(HEALTHY)
    found = evaluate(rule.clear, past, END * 1000, END * 1000, 0, Limits())  # type: ignore[arg-type]  # what the rule is made of is known here
    assert found.present.any()
    firing = evaluate(rule.clear, Past(HEALTHY | FAULTS[key]), END * 1000, END * 1000, 0, Limits())  # type: ignore[arg-type]  # what the rule is made of is known here
    held = evaluate(rule.tree, Past(HEALTHY | FAULTS[key]), END * 1000, END * 1000, 0, Limits())  # type: ignore[arg-type]  # what the rule is made of is known here
    cleared = {one.labels for row, one in enumerate(firing.series) if firing.present[row, 0]}
    assert not cleared & {one.labels for row, one in enumerate(held.series) if held.present[row, 0]}


def test_a_rejected_configuration_that_was_mended_is_over() -> None:
    """The next one that was taken ends it."""
    rejected: History = {'watchkeeper_event_timestamp_seconds{kind="config_rejected"}': END - 9000.0}
    assert not holds(RULES["ConfigRejected/warning"], HEALTHY | rejected)


def test_a_server_that_gives_no_sign_of_life_hangs_also_without_probes() -> None:
    """Its watchdog or its heartbeat file tells; and one that is only down does not hang."""
    silent: History = {f"watchkeeper_server_hung{WEB}": 1.0}
    assert holds(RULES["ServerHung/critical"], HEALTHY | silent)
    assert not holds(RULES["ServerHung/critical"], HEALTHY | FAULTS["ServerDown/critical"])
    starting: History = {f"watchkeeper_server_failing{WEB}": 1.0, f"watchkeeper_server_up{WEB}": math.nan}
    assert not holds(RULES["ServerHung/critical"], HEALTHY | starting), "what has not been asked yet does not hang"


def test_a_disk_that_is_nearly_full_but_large_or_level_is_no_alarm() -> None:
    """Percent alone decides nothing."""
    size, avail = f"node_filesystem_size_bytes{ROOT}", f"node_filesystem_avail_bytes{ROOT}"
    large: History = {size: 10_000 * GIB, avail: 600 * GIB}
    for key in ("DiskLow/warning", "DiskCritical/critical", "DiskFillingUp/warning"):
        assert not holds(RULES[key], HEALTHY | large), key
    level: History = {avail: 15 * GIB}
    for key in ("DiskFillingUp/warning", "DiskFillingFast/critical"):
        assert not holds(RULES[key], HEALTHY | level), key
