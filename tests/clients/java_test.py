"""The clients of Java, as tests/clients/java/pom.xml pins them: the AWS SDK v2 over http and https, and the
Kinesis Producer Library, whose aggregates `spillway tail` takes apart.
"""

import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from region import BINARY, ROOT, Region  # noqa: E402

KEYS = ("AKIDJAVA", "secret-of-java")
COUNT = 5000


def java(name, *arguments, options=()):
    build = ROOT / "build" / "java"
    classpath = f"{build / 'classes'}:{(build / 'classpath').read_text()}"
    ended = subprocess.run(["java", "-Xmx512m", *options, "-cp", classpath, name, *map(str, arguments)],
                           capture_output=True, text=True, timeout=180, check=False)
    assert ended.returncode == 0, f"{name}: {ended.stdout[-2000:]}{ended.stderr[-4000:]}"
    return ended.stdout


def check_sdk(region):
    trust = region.directory / "trust.jks"
    subprocess.run(["keytool", "-importcert", "-noprompt", "-alias", "spillway", "-storepass", "changeit",
                    "-file", region.data / "tls/ca.pem", "-keystore", trust], check=True, capture_output=True)
    print(java("SdkTest", region.endpoint, *KEYS), end="")
    print(java("SdkTest", f"https://localhost:{region.port}", *KEYS,
               options=(f"-Djavax.net.ssl.trustStore={trust}",
                        "-Djavax.net.ssl.trustStorePassword=changeit")), end="")


def check_kpl(region):
    client = region.client(*KEYS)
    client.create_stream(StreamName="kpl", ShardCount=2)
    java("KplTest", region.port, "kpl", COUNT, *KEYS)

    def tail(*options):
        lines = subprocess.run([BINARY, "tail", "kpl", "--until-tip", "--json", "--endpoint", region.endpoint, *options],
                               env={"AWS_ACCESS_KEY_ID": KEYS[0], "AWS_SECRET_ACCESS_KEY": KEYS[1]},
                               capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()
        return [json.loads(line) for line in lines]
    assert sorted(record["data"] for record in tail()) == sorted(f"record {i}" for i in range(COUNT))
    whole = len(tail("--no-deaggregate"))
    assert whole < COUNT / 5, f"{whole} records: nothing was aggregated"
    print(f"Kinesis Producer Library: {COUNT} records in {whole} aggregates, over TLS: right")


def main():
    region = Region()
    settings = region.directory / "spillway.toml"
    settings.write_text(f'[[serve.keys]]\naccess_key = "{KEYS[0]}"\nsecret_key = "{KEYS[1]}"\n', encoding="utf-8")
    region.arguments = ("--config", str(settings))
    with region:
        check_sdk(region)
        check_kpl(region)
        assert region.stop() == 0


if __name__ == "__main__":
    main()
