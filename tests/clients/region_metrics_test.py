"""What /metrics tells of a region that is used: each thing that was done is counted."""

import pathlib
import re
import ssl
import sys
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from region import Region, expect, read_all, wait_until  # noqa: E402

CONFIG = """
[serve]
journal_file_mib = 16
queue_mib = 8
tail_mib = 8
[[serve.keys]]
access_key = "METRICS"
secret_key = "a secret of its own"
"""


def values(region):
    """Series → value."""
    with urllib.request.urlopen(f"http://127.0.0.1:{region.admin}/metrics", timeout=20) as answer:
        text = answer.read().decode()
    return {name: float(value) for name, value in re.findall(r"^([^#\s]\S*) (\S+)$", text, re.MULTILINE)}


def main():
    region = Region()
    config = region.directory / "spillway.toml"
    config.write_text(CONFIG)
    region.arguments = ("--config", str(config))
    with region:
        client = region.client("METRICS", "a secret of its own")
        client.create_stream(StreamName="s", ShardCount=1)
        before = values(region)
        assert before["spillway_recovery_seconds_count"] == 1
        assert before["spillway_log_lines_dropped"] == 0
        for _ in range(12):  # 36 MB: some journal files
            client.put_records(StreamName="s", Records=[
                {"Data": bytes(300_000), "PartitionKey": "k"} for _ in range(10)])
        wait_until(lambda: values(region)["spillway_seal_seconds_count"] > 0)
        read_all(client, "s")
        expect("InvalidSignatureException", lambda: region.client("METRICS", "another one").list_streams())
        context = ssl.create_default_context(cafile=region.data / "tls" / "ca.pem")
        try:
            urllib.request.urlopen(f"https://127.0.0.1:{region.port}/", context=context, timeout=20)
        except urllib.error.HTTPError:
            pass  # GET is no request of the API; it came over TLS
        after = values(region)
        for name, least in {
                "spillway_journal_frames_total": 12, "spillway_journal_bytes_total": 36_000_000,
                "spillway_journal_flush_seconds_count": 12, "spillway_segments": 1,
                "spillway_disk_reads_total": 1, "spillway_api_refused_signatures_total": 1,
                'spillway_http_tls_connections_total{listener="api"}': 1,
                'spillway_api_request_seconds_count{operation="PutRecords"}': 12,
                'spillway_api_errors_total{operation="ListStreams"}': 1}.items():
            assert after[name] - before.get(name, 0) >= least, f"{name}: {before.get(name)} → {after[name]}"
        assert region.stop() == 0
    print(f"metrics: {len(after)} series, each as was done")


if __name__ == "__main__":
    main()
