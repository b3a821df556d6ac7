"""Each collector against a small captured tree: the odd cases that this machine does not show."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from watchkeeper.collect.conntrack import Conntrack
from watchkeeper.collect.cpu import Cpu
from watchkeeper.collect.disk import Disk
from watchkeeper.collect.filesystem import Filesystem
from watchkeeper.collect.hwmon import Hwmon
from watchkeeper.collect.load import Load
from watchkeeper.collect.mdadm import Mdadm
from watchkeeper.collect.memory import Memory
from watchkeeper.collect.netstat import Netstat
from watchkeeper.collect.network import NetworkReader
from watchkeeper.collect.pressure import Pressure
from watchkeeper.collect.processes import Processes
from watchkeeper.collect.reboot import Reboot
from watchkeeper.collect.sockstat import Sockstat
from watchkeeper.collect.timex import Timex
from watchkeeper.collect.vmstat import Vmstat
from watchkeeper.errors import Failed
from watchkeeper.seams import Reader

STAT = """cpu  10 0 20 300 4 5 6 7 8 9
cpu0 {first}
cpu1 5 0 10 150 2 2 3 3 4 4
intr 4711 1 2 3
ctxt 815
btime 1760000000
processes 42
procs_running 3
procs_blocked 1
softirq 1 2 3
"""
HEAD = "Inter-|   Receive                                                |  Transmit\n face |bytes    packets |bytes\n"


def put(root: Path, path: str, text: str) -> None:
    """Write a file of the tree."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def values(reader: Reader) -> dict[str, float]:
    """What it reads, by series."""
    figures = reader.read()
    return {series.text(): value for series, value in zip(reader.series, figures, strict=True)}


def test_cpu(tmp_path: Path) -> None:
    """Ticks as seconds, idle time that never falls back, a core that goes and one that comes back counting anew."""
    put(tmp_path, "proc/stat", STAT.format(first="500 1 2 1000 3 4 5 6 7 8"))
    reader = Cpu().open(tmp_path)
    layout = reader.series
    first = values(reader)
    assert first['node_cpu_seconds_total{cpu="0",mode="user"}'] == 5.0
    assert first['node_cpu_guest_seconds_total{cpu="1",mode="nice"}'] == 0.04
    assert (first["node_intr_total"], first["node_forks_total"], first["node_procs_blocked"]) == (4711, 42, 1)
    put(tmp_path, "proc/stat", STAT.format(first="501 1 2 998 3 4 5 6 7 8"))
    assert values(reader)['node_cpu_seconds_total{cpu="0",mode="idle"}'] == 10.0, "a tick back is the kernel's rounding"
    assert reader.series is layout
    put(tmp_path, "proc/stat", STAT.format(first="1 1 2 3 3 4 5 6 7 8"))
    assert values(reader)['node_cpu_seconds_total{cpu="0",mode="idle"}'] == 0.03, "a core that was away counts anew"
    put(tmp_path, "proc/stat", STAT.replace("cpu0 {first}\n", ""))
    assert 'node_cpu_seconds_total{cpu="0",mode="user"}' not in values(reader)
    assert reader.series is not layout
    reader.close()


def test_memory(tmp_path: Path) -> None:
    """Kilobytes as bytes, counts as they are, brackets gone from names."""
    put(tmp_path, "proc/meminfo", "MemTotal:  1000 kB\nActive(anon):  3 kB\nHugePages_Total:   5\n")
    reader = Memory().open(tmp_path)
    assert values(reader) == {
        "node_memory_MemTotal_bytes": 1_024_000,
        "node_memory_Active_anon_bytes": 3072,
        "node_memory_HugePages_Total": 5,
    }
    reader.close()


def test_pressure(tmp_path: Path) -> None:
    """Microseconds as seconds; a kernel without it is said to be one."""
    with pytest.raises(Failed, match="cannot be read"):
        Pressure().open(tmp_path)
    for name in ("cpu", "io", "memory"):
        put(tmp_path, f"proc/pressure/{name}", "some avg10=0.00 total=1500000\nfull avg10=0.00 total=250000\n")
    reader = Pressure().open(tmp_path)
    found = values(reader)
    assert found["node_pressure_cpu_waiting_seconds_total"] == 1.5
    assert found["node_pressure_io_stalled_seconds_total"] == 0.25
    assert len(found) == 5
    reader.close()


def test_vmstat_takes_the_lines_that_there_are(tmp_path: Path) -> None:
    """Older kernels tell of no kills."""
    put(tmp_path, "proc/vmstat", "nr_free 1\npgfault 10\npswpin 2\nother 4\n")
    reader = Vmstat().open(tmp_path)
    assert values(reader) == {"node_vmstat_pgfault": 10, "node_vmstat_pswpin": 2}
    put(tmp_path, "proc/vmstat", "nr_free 1\nnew 2\npgfault 10\npswpin 2\n")
    with pytest.raises(Failed, match="changed its lines"):
        reader.read()
    reader.close()


def test_load_does_without_what_is_missing(tmp_path: Path) -> None:
    """Only the averages and the boot time must be there."""
    put(tmp_path, "proc/loadavg", "0.50 1.25 2.00 1/234 5678\n")
    put(tmp_path, "proc/stat", STAT)
    reader = Load().open(tmp_path)
    found = values(reader)
    assert (found["node_load1"], found["node_load15"], found["node_boot_time_seconds"]) == (0.5, 2.0, 1_760_000_000)
    assert "node_filefd_allocated" not in found
    reader.close()


def test_filesystem(tmp_path: Path) -> None:
    """Blanks in names, what is left out, what cannot be asked, and a mount that comes."""
    (tmp_path / "my disk").mkdir()
    table = r"""/dev/sda1 /my\040disk ext4 rw,relatime 0 0
proc /proc proc rw 0 0
/dev/sdb1 /gone xfs ro 0 0
overlay / overlay rw 0 0
"""
    put(tmp_path, "proc/self/mounts", table)
    reader = Filesystem().open(tmp_path)
    layout = reader.series
    found = values(reader)
    here = '{device="/dev/sda1",fstype="ext4",mountpoint="/my disk"}'
    gone = '{device="/dev/sdb1",fstype="xfs",mountpoint="/gone"}'
    assert found[f"node_filesystem_size_bytes{here}"] > found[f"node_filesystem_avail_bytes{here}"] > 0
    assert found[f"node_filesystem_device_error{here}"] == 0
    assert found[f"node_filesystem_device_error{gone}"] == 1
    assert math.isnan(found[f"node_filesystem_size_bytes{gone}"])
    assert len(found) == 14
    reader.read()
    assert reader.series is layout
    put(tmp_path, "proc/self/mounts", table + "tmpfs /my\\040disk tmpfs rw 0 0\n")
    assert len(values(reader)) == 21
    reader.close()


def test_a_remote_filesystem_is_asked_aside(tmp_path: Path) -> None:
    """Its answer comes from another thread, a moment later."""
    import time  # noqa: PLC0415  # only needed here

    put(tmp_path, "proc/self/mounts", "server:/x / nfs4 rw 0 0\n")
    reader = Filesystem().open(tmp_path)
    deadline = time.monotonic() + 5
    while values(reader)['node_filesystem_device_error{device="server:/x",fstype="nfs4",mountpoint="/"}'] != 0:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    reader.close()


def test_a_wrong_expression_is_refused() -> None:
    """While file and line are known."""
    for make in (lambda: Filesystem(exclude_mounts="("), lambda: Disk(exclude="(")):
        with pytest.raises(ValueError, match="no regular expression"):
            make()


def test_disk(tmp_path: Path) -> None:
    """Sectors as bytes, milliseconds as seconds, partitions left out, devices that come, older kernels' fewer fields."""
    line = "   8       0 sda 10 1 2 3000 20 4 5 6000 7 8000 9000"
    put(tmp_path, "proc/diskstats", line + "\n   8       1 sda1 1 1 1 1 1 1 1 1 1 1 1\n")
    reader = Disk().open(tmp_path)
    found = values(reader)
    assert found['node_disk_read_bytes_total{device="sda"}'] == 1024
    assert found['node_disk_write_time_seconds_total{device="sda"}'] == 6.0
    assert len(found) == 11
    put(tmp_path, "proc/diskstats", line + "\n" + line.replace("sda", "sdb") + " 1 2 3 4000 5 6000\n")
    found = values(reader)
    assert found['node_disk_flush_requests_time_seconds_total{device="sdb"}'] == 6.0
    assert len(found) == 11 + 17
    reader.close()


def test_network(tmp_path: Path) -> None:
    """Traffic of each interface; what the kernel does not tell is NaN; an interface that comes is there at once."""
    put(tmp_path, "proc/net/dev", HEAD + "  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n")
    put(tmp_path, "sys/class/net/eth0/operstate", "up\n")
    put(tmp_path, "sys/class/net/eth0/speed", "1000\n")
    put(tmp_path, "sys/class/net/eth0/carrier", "\n")
    reader = NetworkReader(tmp_path)
    layout = reader.series
    found = values(reader)
    assert found['node_network_receive_bytes_total{device="eth0"}'] == 1
    assert found['node_network_transmit_compressed_total{device="eth0"}'] == 16
    assert found['node_network_speed_bytes{device="eth0"}'] == 125_000_000
    assert math.isnan(found['node_network_carrier{device="eth0"}'])
    assert found['node_network_up{device="eth0"}'] == 1
    assert reader.series is layout
    put(tmp_path, "proc/net/dev", HEAD + "  eth0: " + "1 " * 16 + "\n veth9: " + "2 " * 16 + "\n")
    assert values(reader)['node_network_receive_bytes_total{device="veth9"}'] == 2
    reader.close()


def test_netstat_and_sockstat(tmp_path: Path) -> None:
    """Pairs of lines and lines of pairs; without IPv6 there are simply fewer."""
    put(tmp_path, "proc/net/netstat", "TcpExt: SyncookiesSent Foo ListenDrops\nTcpExt: 1 2 3\nIpExt: InOctets\nIpExt: 9\n")
    put(tmp_path, "proc/net/snmp", "Tcp: InSegs RtoMin CurrEstab\nTcp: 11 12 -1\n")
    reader = Netstat().open(tmp_path)
    assert values(reader) == {
        "node_netstat_TcpExt_SyncookiesSent": 1,
        "node_netstat_TcpExt_ListenDrops": 3,
        "node_netstat_IpExt_InOctets": 9,
        "node_netstat_Tcp_InSegs": 11,
        "node_netstat_Tcp_CurrEstab": -1,
    }
    reader.close()
    put(tmp_path, "proc/net/sockstat", "sockets: used 7\nTCP: inuse 5 mem 2\n")
    other = Sockstat().open(tmp_path)
    found = values(other)
    assert (found["node_sockstat_sockets_used"], found["node_sockstat_TCP_inuse"]) == (7, 5)
    assert found["node_sockstat_TCP_mem_bytes"] == 2 * 4096
    other.close()


def test_conntrack(tmp_path: Path) -> None:
    """Two numbers where the kernel tracks connections, none elsewhere."""
    assert values(Conntrack().open(tmp_path)) == {}
    put(tmp_path, "proc/sys/net/netfilter/nf_conntrack_count", "77\n")
    assert values(Conntrack().open(tmp_path)) == {}
    put(tmp_path, "proc/sys/net/netfilter/nf_conntrack_max", "262144\n")
    reader = Conntrack().open(tmp_path)
    assert values(reader) == {"node_nf_conntrack_entries": 77, "node_nf_conntrack_entries_limit": 262_144}
    reader.close()


def test_processes(tmp_path: Path) -> None:
    """The kernel's own count of threads, against the numbers that there are."""
    put(tmp_path, "proc/loadavg", "0.50 1.25 2.00 1/234 5678\n")
    put(tmp_path, "proc/sys/kernel/pid_max", "32768\n")
    put(tmp_path, "proc/sys/kernel/threads-max", "5000\n")
    reader = Processes().open(tmp_path)
    assert values(reader) == {
        "node_processes_threads": 234,
        "node_processes_max_processes": 32_768,
        "node_processes_max_threads": 5000,
    }
    reader.close()


def test_timex(tmp_path: Path) -> None:
    """This very kernel's clock: bounded errors, and a status that is yes or no; asking changes nothing."""
    reader = Timex().open(tmp_path)
    found = values(reader)
    assert abs(found["node_timex_offset_seconds"]) < 10
    assert found["node_timex_maxerror_seconds"] >= 0
    assert found["node_timex_sync_status"] in {0, 1}
    assert values(reader).keys() == found.keys()


def test_hwmon(tmp_path: Path) -> None:
    """Sensors with their limits, named by bus and device; one that cannot be read has no figure; none at all is no fault."""
    assert values(Hwmon().open(tmp_path)) == {}
    device = tmp_path / "sys/devices/platform/coretemp.0"
    device.mkdir(parents=True)
    chip = "sys/class/hwmon/hwmon0"
    put(tmp_path, f"{chip}/name", "coretemp\n")
    (tmp_path / chip / "device").symlink_to(device)
    for name, value in (("temp1_input", "45500"), ("temp1_max", "80000"), ("temp1_crit", "100000"), ("temp2_input", "n/a")):
        put(tmp_path, f"{chip}/{name}", f"{value}\n")
    put(tmp_path, f"{chip}/temp1_crit_alarm", "1\n")
    put(tmp_path, f"{chip}/temp1_alarm", "0\n")
    put(tmp_path, "sys/class/hwmon/hwmon1/name", "acpitz\n")
    put(tmp_path, "sys/class/hwmon/hwmon1/temp1_input", "30000\n")
    put(tmp_path, "sys/class/thermal/thermal_zone0/type", "x86_pkg_temp\n")
    put(tmp_path, "sys/class/thermal/thermal_zone0/temp", "51000\n")
    reader = Hwmon().open(tmp_path)
    found = values(reader)
    assert found['node_hwmon_temp_celsius{chip="platform_coretemp_0",sensor="temp1"}'] == 45.5
    assert found['node_hwmon_temp_crit_celsius{chip="platform_coretemp_0",sensor="temp1"}'] == 100
    assert math.isnan(found['node_hwmon_temp_celsius{chip="platform_coretemp_0",sensor="temp2"}'])
    assert found['node_hwmon_temp_celsius{chip="acpitz",sensor="temp1"}'] == 30
    assert found['node_thermal_zone_temp{type="x86_pkg_temp",zone="0"}'] == 51
    assert found['node_hwmon_temp_crit_alarm_celsius{chip="platform_coretemp_0",sensor="temp1"}'] == 1
    assert found['node_hwmon_temp_alarm{chip="platform_coretemp_0",sensor="temp1"}'] == 0
    reader.close()


MDSTAT = """Personalities : [raid1] [raid6]
md0 : active raid1 sdb1[1](F) sda1[0]
      1046528 blocks super 1.2 [2/1] [U_]

md127 : active (auto-read-only) raid6 sdf1[3] sde1[2] sdd1[1] sdc1[0] sdg1[4](S)
      200 blocks level 6, 64k chunk, algorithm 2 [4/4] [UUUU]

md1 : active linear sdh1[0]
      100 blocks super 1.2 64k rounding

md2 : active raid1 sdj1[2] sdi1[0]
      1000 blocks super 1.2 [2/1] [U_]
      [=>...................]  recovery =  8.2% (82/1000) finish=12.7min speed=1K/sec

md3 : inactive sdk1[0](S)
      1000 blocks super 1.2

unused devices: <none>
"""


def test_mdadm(tmp_path: Path) -> None:
    """What each array needs, has, has lost and keeps in reserve; arrays come and go."""
    assert values(Mdadm().open(tmp_path)) == {}
    put(tmp_path, "proc/mdstat", MDSTAT)
    reader = Mdadm().open(tmp_path)
    found = values(reader)
    assert found['node_md_disks_required{device="md0"}'] == 2
    assert found['node_md_disks{device="md0",state="active"}'] == 1
    assert found['node_md_disks{device="md0",state="failed"}'] == 1
    assert found['node_md_disks_required{device="md127"}'] == 4
    assert found['node_md_disks{device="md127",state="spare"}'] == 1
    assert found['node_md_disks_required{device="md1"}'] == 1
    states = dict.fromkeys(("md0", "md127", "md1"), "active") | {"md2": "recovering", "md3": "inactive"}
    for name, state in states.items():
        assert found[f'node_md_state{{device="{name}",state="{state}"}}'] == 1
        assert sum(value for text, value in found.items() if f'node_md_state{{device="{name}"' in text) == 1
    layout = reader.series
    reader.read()
    assert reader.series is layout
    put(tmp_path, "proc/mdstat", "Personalities :\nunused devices: <none>\n")
    assert values(reader) == {}
    reader.close()


def test_reboot(tmp_path: Path) -> None:
    """Yes and no on systems that say so, nothing on others."""
    assert values(Reboot().open(tmp_path)) == {}
    put(tmp_path, "etc/debian_version", "12.5\n")
    reader = Reboot().open(tmp_path)
    assert values(reader) == {"node_reboot_required": 0}
    put(tmp_path, "run/reboot-required", "*** System restart required ***\n")
    assert values(reader) == {"node_reboot_required": 1}
