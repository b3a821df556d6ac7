"""A Homebrew formula and a winget manifest, as files: made, and not run, where this project is built.

The formula installs the sdist into a virtual environment of its own with the locked wheels, as Homebrew's
`Language::Python::Virtualenv` does; the manifest names the zip of the Windows bundle. Addresses are those of a release.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

RELEASES = "https://github.com/watchkeeper/watchkeeper/releases/download"

FORMULA = """\
class Watchkeeper < Formula
  include Language::Python::Virtualenv

  desc "Keeps watch over servers: sees, acts, tells and proves"
  homepage "https://github.com/watchkeeper/watchkeeper"
  url "{url}"
  sha256 "{sha256}"
  license "Apache-2.0"

  depends_on "python@3.13"

  def install
    venv = virtualenv_create(libexec, "python3.13")
    system "python3.13", "-m", "pip", "--python", libexec/"bin/python", "install", "--no-compile", buildpath
    venv.root.glob("bin/{{watchkeeper,cloud-server,cloud-client}}").each {{ |program| bin.install_symlink program }}
    generate_completions_from_executable(bin/"watchkeeper", "completion")
  end

  service do
    run [opt_bin/"watchkeeper", "up", "--data", var/"watchkeeper"]
    keep_alive true
    log_path var/"log/watchkeeper.log"
    error_log_path var/"log/watchkeeper.log"
  end

  test do
    assert_match version.to_s, shell_output("#{{bin}}/watchkeeper version")
  end
end
"""

WINGET = """\
# yaml-language-server: $schema=https://aka.ms/winget-manifest.singleton.1.6.0.schema.json
PackageIdentifier: Watchkeeper.Watchkeeper
PackageVersion: {version}
PackageLocale: en-US
Publisher: The Watchkeeper maintainers
PackageName: Watchkeeper
License: Apache-2.0
ShortDescription: Keeps watch over your servers - it sees, acts, tells and proves.
Installers:
- Architecture: x64
  InstallerType: zip
  NestedInstallerType: portable
  NestedInstallerFiles:
  - RelativeFilePath: watchkeeper\\watchkeeper.exe
    PortableCommandAlias: watchkeeper
  InstallerUrl: {releases}/v{version}/watchkeeper-{version}-windows-x64.zip
  InstallerSha256: {missing}
ManifestType: singleton
ManifestVersion: 1.6.0
"""


def make(sdist: Path, version: str, target: Path) -> list[Path]:
    """Write both into `target`. The zip for Windows is made on Windows: its checksum is put in by whoever makes it."""
    digest = hashlib.sha256(sdist.read_bytes()).hexdigest()
    formula = target / "watchkeeper.rb"
    formula.write_text(FORMULA.format(url=f"{RELEASES}/v{version}/{sdist.name}", sha256=digest), encoding="utf-8")
    manifest = target / "watchkeeper.winget.yaml"
    manifest.write_text(WINGET.format(version=version, releases=RELEASES, missing="0" * 64), encoding="utf-8")
    return [formula, manifest]
