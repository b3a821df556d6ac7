"""Servers that we know by their program's name: what they are, and the question that tells best whether they serve.

One more is one line. A question is asked of the first port that the server listens on, unless it has a port of its own.
"""

from __future__ import annotations

from typing import Literal

import msgspec


class Known(msgspec.Struct, frozen=True):
    """`title` for a person. `asks`: ``http`` with `path`, or ``tcp`` with what to send and what must come back."""

    title: str
    asks: Literal["http", "tcp"] = "tcp"
    port: int = 0
    path: str = "/"
    send: str = ""
    expect: str = ""
    note: str = ""


_POSTGRES = Known("PostgreSQL", port=5432, note='a query of your own tells more: kind = "command" with pg_isready')
_MYSQL = Known("MySQL or MariaDB", port=3306)
_REDIS = Known("Redis", port=6379, send="PING\r\n", expect="PONG", note='with a password, expect "NOAUTH"')
_WEB = Known("web server", "http")

KNOWN: dict[str, Known] = {
    "nginx": Known("nginx", "http"),
    "apache2": Known("Apache", "http"),
    "httpd": Known("Apache", "http"),
    "caddy": Known("Caddy", "http"),
    "lighttpd": Known("lighttpd", "http"),
    "haproxy": Known("HAProxy", "http"),
    "traefik": Known("Traefik", "http"),
    "envoy": Known("Envoy", "http"),
    "varnishd": Known("Varnish", "http"),
    "postgres": _POSTGRES,
    "mysqld": _MYSQL,
    "mariadbd": _MYSQL,
    "mongod": Known("MongoDB", port=27017),
    "redis-server": _REDIS,
    "valkey-server": _REDIS,
    "memcached": Known("memcached", port=11211, send="version\r\n", expect="VERSION"),
    "nats-server": Known("NATS", port=4222, expect="INFO"),
    "mosquitto": Known("Mosquitto", port=1883),
    "beam.smp": Known("an Erlang server (RabbitMQ, CouchDB, EMQX …)"),
    "etcd": Known("etcd", "http", port=2379, path="/health"),
    "consul": Known("Consul", "http", port=8500, path="/v1/status/leader"),
    "vault": Known("Vault", "http", port=8200, path="/v1/sys/health"),
    "minio": Known("MinIO", "http", port=9000, path="/minio/health/live"),
    "java": Known("a Java server"),
    "node": Known("a Node.js server", "http"),
    "grafana": Known("Grafana", "http", port=3000, path="/api/health"),
    "grafana-server": Known("Grafana", "http", port=3000, path="/api/health"),
    "prometheus": Known("Prometheus", "http", port=9090, path="/-/healthy"),
    "victoria-metric": Known("VictoriaMetrics", "http", port=8428, path="/health"),
    "alertmanager": Known("Alertmanager", "http", port=9093, path="/-/healthy"),
    "prometheus-node": Known("node_exporter", "http", port=9100, path="/metrics"),
    "node_exporter": Known("node_exporter", "http", port=9100, path="/metrics"),
    "influxd": Known("InfluxDB", "http", port=8086, path="/health"),
    "sshd": Known("OpenSSH", port=22, expect="SSH-"),
    "master": Known("Postfix", port=25, expect="220"),
    "exim4": Known("Exim", port=25, expect="220"),
    "dovecot": Known("Dovecot", port=143, expect="OK"),
    "named": Known("BIND", port=53),
    "unbound": Known("Unbound", port=53),
    "dnsmasq": Known("dnsmasq", port=53),
    "vsftpd": Known("vsftpd", port=21, expect="220"),
    "smbd": Known("Samba", port=445),
    "gitea": Known("Gitea", "http", port=3000, path="/api/healthz"),
    "syncthing": Known("Syncthing", "http", port=8384, path="/rest/noauth/health"),
    "jellyfin": Known("Jellyfin", "http", port=8096, path="/health"),
    "gunicorn": _WEB,
    "uwsgi": _WEB,
    "php-fpm": Known("PHP-FPM"),
}
"""By the kernel's name of the process, which has 15 characters (proc(5), comm)."""

PLUMBING = frozenset(
    {"systemd", "init", "systemd-resolve", "rpcbind", "rpc.statd", "avahi-daemon", "cupsd", "dhclient", "dockerd", "containerd"}
    | {"docker-proxy", "conmon", "chronyd", "ntpd", "kubelet", "launchd"}
)
"""What belongs to the system itself, or stands before somebody else's port."""

OURS = frozenset({"watchkeeper", "cloud-server"})
