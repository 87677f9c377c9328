"""What the runners of clients in other languages share: a region that verifies every signature, telemetry
in a file for the client to put, and the client's process.
"""

import os
import pathlib
import re
import subprocess
import sys
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from region import ROOT, Region  # noqa: E402
from telemetry_records import telemetry, write  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
BUILD = ROOT / "build"
# Serial collection and the first compiler alone: two cores, and minutes to live.
JAVA = ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]


class VerifiedRegion(Region):
    ACCESS_KEY, SECRET_KEY = "AKIDCLIENT", "a secret of its own"

    def __init__(self, count=3000):
        super().__init__()
        settings = self.directory / "spillway.toml"
        settings.write_text(f'[[serve.keys]]\naccess_key = "{self.ACCESS_KEY}"\nsecret_key = "{self.SECRET_KEY}"\n',
                            encoding="utf-8")
        self.arguments = ("--config", str(settings))
        self.counted = {}
        self.records = telemetry(count)
        self.records_file = self.directory / "records.tsv"
        write(self.records_file, self.records)

    @property
    def tls_endpoint(self):
        return f"https://localhost:{self.port}"

    @property
    def authority(self):
        return self.data / "tls" / "ca.pem"

    def client(self, **options):  # pylint: disable=arguments-differ
        return super().client(self.ACCESS_KEY, self.SECRET_KEY, **options)

    def environment(self):
        """Of a client: its keys and region, and nothing of this shell's."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        return clean | {"AWS_ACCESS_KEY_ID": self.ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": self.SECRET_KEY,
                        "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",
                        "AWS_EC2_METADATA_DISABLED": "true"}

    def spoken(self):
        """Since it was last asked, the versions of HTTP in which requests came, by the region's own count."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/metrics", timeout=10) as answer:
            counts = dict(re.findall(r'^spillway_http_requests_total\{listener="api",protocol="(.*?)"\} (\d+)',
                                     answer.read().decode(), re.MULTILINE))
        new = {f"HTTP/{version}" for version, count in counts.items() if count != self.counted.get(version, "0")}
        self.counted = counts
        return new

    def run(self, *command, timeout=180):
        """What it prints, which is printed as well; it has to end well."""
        ended = subprocess.run([str(part) for part in command], env=self.environment(), capture_output=True,
                               text=True, timeout=timeout, check=False)
        print(ended.stdout, end="")
        assert ended.returncode == 0, f"{command[0]} ended with {ended.returncode}: {ended.stderr[-4000:]}"
        return ended.stdout


def readme_program(runner, region):
    """The README's program that names that runner as the one that runs it, for this region."""
    text = (ROOT / "README.md").read_text("utf-8")
    program = re.search(rf"<!-- run by tests/clients/{runner} -->\n```\w+\n(.*?)```\n", text, re.DOTALL)[1]
    return program.replace("http://127.0.0.1:4566", region.endpoint)


def java(project, name, options=()):
    """The command of a program of that project's."""
    classes = f"{BUILD / project / 'classes'}:{(BUILD / project / 'classpath').read_text()}"
    return [*JAVA, *options, "-cp", classes, name]
