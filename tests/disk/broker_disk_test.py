"""A real broker and its disk. Full, or read-only: it refuses what it can't keep, says why, loses nothing that it
accepted, and goes on by itself, or after a restart. With much in its spool: it starts as if there was little.
"""

import os
import pathlib
import shutil
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
        expect(spooled > 200 << 20 and read < 100 << 20, spooled, read)
        # A sanitizer's own memory says nothing of the broker's.
        expect(resident < 100 << 20 or os.environ.get("SPILLWAY_SANITIZE"), resident)
        broker.kill()


def flip(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def newest(spool, folder, suffix):
    return max((spool / folder).glob(f"*.{suffix}"))


def segment_of(spool):
    """That with the records; cursors may have one of their own."""
    return max((spool / "segments").glob("*.segment"), key=lambda path: path.stat().st_size)


def cut(path, size):
    with open(path, "r+b") as file:
        file.truncate(size)


def cut_at_record_30(spool):
    journal = newest(spool, "journal", "journal")
    cut(journal, journal.read_bytes().find(b"30 record"))


def flip_both_snapshots(spool):
    for suffix in ("snapshot", "copy"):
        flip(newest(spool, "snapshots", suffix), 40)


# What happens to the spool; which of its 40 records are delivered: 0 to 19 are in its segment, the others in the newest
# file of its journal, and 19, which a start wrote again, in another one; what the log says, and the doctor.
SET_ASIDE = "the spool is damaged: it was set aside"
DAMAGES = {
    "nothing": (lambda spool: None, range(40), [], ""),
    "newest journal file gone": (lambda spool: newest(spool, "journal", "journal").unlink(),
                                 range(20), [SET_ASIDE, "is gone, and with it all frames"], "is gone"),
    "newest journal file emptied": (lambda spool: cut(newest(spool, "journal", "journal"), 0),
                                    range(20), [SET_ASIDE, "has 0 bytes of"], "has 0 bytes of"),
    "newest journal file cut": (cut_at_record_30, range(30), [SET_ASIDE, "it was cut off"], "it was cut off"),
    "bit of the snapshot": (lambda spool: flip(newest(spool, "snapshots", "snapshot"), 40),
                            range(40), ["one of two copies of a snapshot is damaged"], ".snapshot is damaged"),
    "snapshot gone": (lambda spool: newest(spool, "snapshots", "snapshot").unlink(), range(40), [], ""),
    "both copies of the snapshot": (flip_both_snapshots, [], [SET_ASIDE, "streams that it can't name"],
                                    ".snapshot is damaged"),
    "footer of the segment": (lambda spool: flip(segment_of(spool), -30),
                              range(40), [SET_ASIDE, "the footer is damaged"], "the footer is damaged"),
    "segment cut": (lambda spool: cut(segment_of(spool), 4000),
                    range(19, 40), [SET_ASIDE, "records of a damaged spool are lost"], "footer"),
    "segment gone": (lambda spool: segment_of(spool).unlink(),
                     range(19, 40), [SET_ASIDE, "records of a damaged spool are lost"], "is missing"),
}


def make_spool(directory, region):
    """Its records: DAMAGES. No earlier use of a journal file tells what a segment or a snapshot has lost."""
    broker = Broker(directory, region, drain_seconds="0")
    spool = pathlib.Path(directory) / "broker/spool"

    def put_some(first):
        for number in range(first, first + 20):
            record = {"Data": f"{number} record".encode() + b"x" * 400, "PartitionKey": "k"}
            expect("ErrorCode" not in broker.client().put_records(StreamName="orders", Records=[record])["Records"][0])

    broker.start()
    put_some(0)
    broker.kill()
    broker.start()  # what the journal holds goes into a segment
    wait_until(lambda: list((spool / "snapshots").glob("*.copy")))
    broker.kill()
    broker.start()  # its file is used again
    put_some(20)
    broker.kill()


def check_damaged_spool():
    with tempfile.TemporaryDirectory() as directory:
        region = Region()
        make_spool(directory, region)
        with region:
            region.client().create_stream(StreamName="orders", ShardCount=1)
            for what, (damage, numbers, logged, examined) in DAMAGES.items():
                place = pathlib.Path(directory) / "damaged"
                shutil.copytree(pathlib.Path(directory) / "broker", place / "broker")
                damage(place / "broker/spool")
                doctor = subprocess.run([BINARY, "doctor", "--data", place / "broker/spool"], capture_output=True, text=True)
                expect(doctor.returncode == (1 if examined else 0) and examined in doctor.stdout, what, doctor)
                broker = Broker(place, region)
                before = len(delivered(region))
                broker.start()
                if SET_ASIDE in logged:
                    wait_until(lambda: "is in the spool again" in broker.log.read_text())
                wait_until(lambda: broker.held() == 0)
                broker.stop()
                said = broker.log.read_text()
                expect(delivered(region)[before:] == list(numbers), what, delivered(region)[before:], said)
                expect(all(part in said for part in logged) and (SET_ASIDE in said) == (SET_ASIDE in logged), what, said)
                print(f"damaged spool, {what}: {len(numbers)} of 40 delivered")
                shutil.rmtree(place)


if __name__ == "__main__":
    check_damaged_spool()
    check_restart()
    for policy in ("reject", "drop_oldest"):
        check_full_disk(policy)
    check_read_only_disk()
    check_disk_that_turns_read_only()
