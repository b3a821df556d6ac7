"""What a process is called: its program, or what an interpreter runs, and never an argument."""

from __future__ import annotations

import pytest

from watchkeeper.proctable.names import LONGEST, program


@pytest.mark.parametrize(
    ("word", "command", "name"),
    [
        ("postgres", ["postgres: writer"], "postgres"),
        ("prometheus-node", ["/usr/bin/prometheus-node-exporter", "--web.x=y"], "prometheus-node-exporter"),
        ("python3", ["/usr/bin/python3", "-u", "/srv/app/manage.py", "--secret", "x"], "python3 manage.py"),
        ("python3.13", ["python3.13", "-W", "ignore", "-m", "watchkeeper", "agent"], "python3.13 watchkeeper"),
        ("python3", ["python3", "-c", "password = 1"], "python3"),
        ("python3", ["python3", "-Ic", "import x; x('hunter2')"], "python3"),
        ("python3", ["python3", "-Im", "http.server"], "python3 http.server"),
        ("perl", ["perl", "-ne", "print if /secret/"], "perl"),
        ("python3", ["python3", "-I", "/srv/app.py", "hunter2"], "python3 app.py"),
        ("python3", ["python3", "-O", "-Wignore", "-Xdev", "app.py", "hunter2"], "python3 app.py"),
        ("python3", ["python3", "--new-option", "hunter2", "x"], "python3"),
        ("python3", ["python3", "--new-option", "/srv/app.py", "hunter2"], "python3 app.py"),
        ("bash", ["bash", "--pidfile", "hunter2"], "bash"),
        ("bash", ["bash", "-x", "/srv/backup", "hunter2"], "bash backup"),
        ("bash", ["bash", "-o", "pipefail", "run.sh", "hunter2"], "bash run.sh"),
        ("sh", ["sh", "-s", "hunter2"], "sh"),
        ("sh", ["sh", "-ec", "curl -H hunter2"], "sh"),
        ("php", ["php", "-r", "echo 'hunter2';", "hunter2"], "php"),
        ("php", ["php", "-d", "hunter2", "/srv/index.php"], "php"),
        ("ruby", ["ruby", "-I", "lib", "hunter2"], "ruby"),
        ("node", ["node", "--title", "hunter2", "server.js"], "node"),
        ("node-MainThread", ["node", "--max-old-space-size=4096", "/srv/server.js"], "node server.js"),
        ("java", ["java", "-Dpassword=hunter2", "-ea", "org.example.Main", "hunter2"], "java org.example.Main"),
        ("deno", ["deno", "run", "--token", "hunter2"], "deno run"),
        ("sh", ["sh", "echo 'hunter2' > x"], "sh"),
        ("java", ["java", "-Xmx4g", "-cp", "a:b", "org.example.Main"], "java org.example.Main"),
        ("java", ["java", "-jar", "/opt/kafka.jar"], "java kafka.jar"),
        ("node", ["node", "--require", "x.js", "server.js"], "node server.js"),
        ("bash", ["-bash"], "bash"),
        ("gunicorn: mast", ["gunicorn: master [app]"], "gunicorn: mast"),
        ("kthreadd", [], "kthreadd"),
        ("a\x1b[31m\nb", [], "a?[31m?b"),
        ("x" * 15, ["/bin/" + "x" * 200], "x" * LONGEST),
        ("", [], "?"),
        ("python.exe", [r"C:\Python\python.exe", r"C:\app\run.py"], "python.exe run.py"),
    ],
)
def test_names(word: str, command: list[str], name: str) -> None:
    """Each as people would call it."""
    assert program(word, command) == name
