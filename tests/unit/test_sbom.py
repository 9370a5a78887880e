"""The bill of materials that each image holds."""

import json
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "images/sbom.awk"


def made(lines: str) -> subprocess.CompletedProcess[str]:
    command = ["awk", "-v", "image=hotrow-x", "-f", str(SCRIPT)]
    return subprocess.run(command, input=lines, capture_output=True, text=True)


def test_each_package_has_its_version_and_url() -> None:
    done = made("libc6 2.36-9+deb12u10 amd64\nperl-base 1:5.36~rc amd64\nZope.Interface_x==8.7+local\n")
    assert (done.returncode, done.stderr) == (0, "")
    bill = json.loads(done.stdout)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"] == {"type": "container", "name": "hotrow-x"}
    assert [(it["name"], it["version"], it["purl"]) for it in bill["components"]] == [
        ("libc6", "2.36-9+deb12u10", "pkg:deb/debian/libc6@2.36-9%2Bdeb12u10?arch=amd64"),
        ("perl-base", "1:5.36~rc", "pkg:deb/debian/perl-base@1%3A5.36~rc?arch=amd64"),
        ("Zope.Interface_x", "8.7+local", "pkg:pypi/zope-interface-x@8.7%2Blocal"),
    ]


def test_line_that_is_no_package_is_refused() -> None:
    done = made("libc6 2.36 amd64\nWARNING: something else is said here\n")
    assert done.returncode == 1
    assert done.stderr == "sbom.awk: line 2 is no package: WARNING: something else is said here\n"
