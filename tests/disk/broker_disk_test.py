"""A real broker and its disk. Full, or read-only: it refuses what it can't keep, says why, loses nothing that it
accepted, and goes on by itself, or after a restart. With much in its spool: it starts as if there was little.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.error

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "clients"), str(TESTS / "disk")]
from broker_test import Broker, expect  # noqa: E402
from real_process_test import Mount, skip  # noqa: E402
from region import BINARY, Region, read_all, wait_until  # noqa: E402


class ReadOnly:
    """A directory, mounted once more over itself: what is open stays as it is, and nothing can be made or removed."""

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        subprocess.run(["mount", "--bind", self.path, self.path], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", self.path], check=True)

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.path], check=True)


def ready(broker):
    try:
        broker.ask("/health/ready")
        return ""
    except urllib.error.HTTPError as error:
        return error.read().decode()


def put(client, number, size):
    """→ the error of the record, or None."""
    data = f"{number} ".encode() + os.urandom(size)
    answer = client.put_records(StreamName="orders", Records=[{"Data": data, "PartitionKey": "k"}])
    return answer["Records"][0].get("ErrorMessage")


def delivered(region):
    """Numbers of the records in the region, in order."""
    return [int(record["Data"].split(b" ")[0])
            for records in read_all(region.client(), "orders").values() for record in records]


def dropped(broker):
    return next(int(line.split()[1]) for line in broker.metrics().splitlines()
                if line.startswith("spillway_broker_dropped_records_total "))


def check_full_disk(when_full):
    """Nothing is dropped for a disk, whatever goes where the spool itself is full."""
    with Mount(160) as disk, tempfile.TemporaryDirectory() as directory:
        if not disk.mounted:
            return skip("full disk")
        region = Region()
        broker = Broker(directory, region, data=str(disk.path / "broker"), when_full=when_full)
        broker.start()
        client = broker.client()
        expect(put(client, 0, 100) is None)
        ballast = disk.path / "ballast"
        free = os.statvfs(disk.path)
        ballast.write_bytes(b"\0" * (free.f_bavail * free.f_frsize - (8 << 20)))
        accepted, error = 1, None
        while error is None:
            expect(accepted < 400, "more was accepted than there is room for")
            error = put(client, accepted, 500_000)
            accepted += error is None
        expect("space" in error and "space" in ready(broker), error, ready(broker))
        expect(dropped(broker) == 0, dropped(broker))
        ballast.unlink()
        wait_until(lambda: ready(broker) == "")
        expect(put(client, accepted, 100) is None)
        broker.kill()
        broker.start()
        with region:
            wait_until(lambda: broker.held() == 0)
            expect(delivered(region) == list(range(accepted + 1)), "each once, in order")
            broker.stop()
    print(f"full disk, {when_full}: refused after {accepted} records, went on by itself, all of them delivered")


def check_read_only_disk():
    with Mount(160) as disk, tempfile.TemporaryDirectory() as directory:
        if not disk.mounted:
            return skip("read-only disk")
        region = Region()
        broker = Broker(directory, region, data=str(disk.path / "broker"), drain_seconds="0")
        broker.start()
        for number in range(5):
            expect(put(broker.client(), number, 100) is None)
        broker.stop()
        disk.read_only(True)
        environment = {f"SPILLWAY_BROKER_{key.upper()}": value for key, value in broker.settings.items()}
        refused = subprocess.run([BINARY, "broker"], capture_output=True, text=True, timeout=60,
                                 env=os.environ | environment)
        expect(refused.returncode == 1 and "Read-only file system" in refused.stderr, refused)
        disk.read_only(False)
        with region:
            broker.start()
            wait_until(lambda: broker.held() == 0)
            expect(delivered(region) == list(range(5)), "what it had accepted")
            broker.stop()
    print("read-only disk: refused")


def check_disk_that_turns_read_only():
    """The spool's directory, while the broker runs: it takes what fits the files that are open, refuses the rest and
    says why, delivers all the same, and takes records again when it is started anew."""
    with Mount(320) as disk, tempfile.TemporaryDirectory() as directory:
        if not disk.mounted:
            return skip("disk that turns read-only")
        region = Region()
        broker = Broker(directory, region, data=str(disk.path / "broker"))
        broker.start()
        client = broker.client()
        expect(put(client, 0, 100) is None)
        with ReadOnly(disk.path / "broker" / "spool"):
            accepted, error = 1, None
            while error is None:
                expect(accepted < 400, "more was accepted than there is room for")
                error = put(client, accepted, 500_000)
                accepted += error is None
            for said in (error, ready(broker)):
                expect("Read-only file system" in said and str(disk.path) in said, said)
            # The log is written in the background.
            wait_until(lambda: "writes stopped" in broker.log.read_text())
            region.start()
            wait_until(lambda: broker.held() == 0)
            broker.kill()
            region.stop()
        broker.start()
        expect(put(broker.client(), accepted, 100) is None)
        with region:
            wait_until(lambda: broker.held() == 0)
            # What it couldn't note as delivered is sent once more.
            found = delivered(region)
            expect(list(dict.fromkeys(found)) == list(range(accepted + 1)), "none is missing, in order", found)
            broker.stop()
    print(f"disk that turned read-only: refused after {accepted} records, delivered them, went on after a restart")


def of_process(broker, file, key):
    for line in pathlib.Path(f"/proc/{broker.process.pid}/{file}").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1])
    raise AssertionError(f"no {key}")


def check_restart():
    """What a start reads, and holds, before it accepts is the journal's, however much is spooled. No time is
    measured."""
    with tempfile.TemporaryDirectory() as directory:
        region = Region()
        broker = Broker(directory, region)
        broker.start()
        client = broker.client()
        for number in range(500):
            expect(put(client, number, 500_000) is None)
        broker.kill()
        spooled = sum(path.stat().st_size for path in (broker.directory / "broker/spool").rglob("*") if path.is_file())
        broker.start()
        expect(put(broker.client(), 500, 100) is None)
        read, resident = of_process(broker, "io", "rchar"), of_process(broker, "status", "VmHWM") * 1024
        print(f"restart: {spooled >> 20} MiB spooled, {read >> 20} MiB read and {resident >> 20} MiB resident "
              "when the first record was accepted")
        expect(spooled > 200 << 20 and read < 100 << 20 and resident < 100 << 20, spooled, read, resident)
        broker.kill()


if __name__ == "__main__":
    check_restart()
    for policy in ("reject", "drop_oldest"):
        check_full_disk(policy)
    check_read_only_disk()
    check_disk_that_turns_read_only()
