"""A real region on disks that are taken, full, read-only, damaged or from the future.

Each is refused, or answered, with a message that names what to look at; what was acknowledged stays
readable; and writes go on by themselves once there is space again. Parts that need to mount a disk of
their own say that they are skipped where mounting is not permitted, and fail then in CI.
"""

import os
import pathlib
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from region import Region, read_all, wait_until  # noqa: E402

SMALL = '[serve]\njournal_file_mib = 16\nqueue_mib = 8\ntail_mib = 8\n'
SECTOR = 512


def small_region(data=None):
    region = Region()
    config = region.directory / "spillway.toml"
    config.write_text(SMALL)
    region.arguments = ("--config", str(config))
    if data is not None:
        region.data = data
    return region


def start_fails(region, *messages):
    """It ends by itself, says all of that, and changes nothing in its directory."""
    before = contents(region.data)
    ended = subprocess.run(region.command(), capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode not in (0, -6, -11), f"{ended.returncode}: {ended.stderr}"
    assert "spillway serves" not in ended.stdout
    for message in messages:
        assert message in ended.stderr, f"'{message}' is not in: {ended.stderr}"
    assert contents(region.data) == before, "the refused start changed what is stored"


def contents(directory):
    return {path: path.read_bytes() for path in sorted(directory.rglob("*"))
            if path.is_file() and path.name != "lock"}


def put(client, count, size=1000):
    """One record at a time, so that each is a journal frame. → [(sequence number, data)]"""
    records = []
    for i in range(count):
        data = f"record {i} ".encode().ljust(size, b".")
        answer = client.put_record(StreamName="s", PartitionKey="k", Data=data)
        records.append((answer["SequenceNumber"], data))
    return records


def stored(client):
    return [(r["SequenceNumber"], r["Data"]) for r in read_all(client, "s")["shardId-000000000000"]]


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def frames(path):
    """Offsets of the frames in a journal file (docs/formats/journal.md)."""
    content = path.read_bytes()
    epoch = struct.unpack_from("<Q", content, 16)[0]
    offset, found = SECTOR, []
    while content[offset:offset + 4] == b"SWF1":
        size, its_epoch = struct.unpack_from("<IQ", content, offset + 4)
        if its_epoch != epoch:
            break
        found.append(offset)
        offset += -(-(36 + size) // SECTOR) * SECTOR
    return found


class Changed:
    """A file with some bytes replaced, for a while."""

    def __init__(self, path, offset, data):
        self.path, self.before = path, path.read_bytes()
        offset %= len(self.before)
        self.during = self.before[:offset] + data + self.before[offset + len(data):]

    def __enter__(self):
        self.path.write_bytes(self.during)

    def __exit__(self, *_):
        self.path.write_bytes(self.before)


def flipped(path, offset):
    return Changed(path, offset, bytes([path.read_bytes()[offset] ^ 0x10]))


def check_second_process():
    with small_region() as first:
        put_before = first.client()
        put_before.create_stream(StreamName="s", ShardCount=1)
        second = Region(*first.arguments)
        second.data = first.data
        ended = subprocess.run(second.command(), capture_output=True, text=True, timeout=60, check=False)
        shutil.rmtree(second.directory)
        assert ended.returncode not in (0, -6, -11), ended
        for message in (str(first.data), "locked by another process",
                        f"pid {first.process.pid}"):
            assert message in ended.stderr, f"'{message}' is not in: {ended.stderr}"
        assert len(put(first.client(), 3)) == 3, "the first one goes on"
        assert first.stop() == 0
        first.start()  # what it held locked is free again
        assert first.stop() == 0


def check_damage_and_newer_versions():
    with small_region() as region:
        region.client().create_stream(StreamName="s", ShardCount=1)
        records = put(region.client(), 30)
        region.kill()
        data = region.data
        journal = max(path for path in (data / "journal").glob("*.journal") if frames(path))
        offsets = frames(journal)
        assert len(offsets) == 31, offsets
        for offset in (offsets[0], offsets[15], offsets[-2]):
            for at in (0, 8, 16, 40, 100):  # magic, epoch, number, entry, payload
                with flipped(journal, offset + at):
                    start_fails(region, str(journal), f"byte {offset}", "damaged", "backup")
        for at in (0, 16, 24, 32):  # the file's own header
            with flipped(journal, at):
                start_fails(region, str(journal), "byte 0", "damaged")
        header = bytearray(journal.read_bytes()[:36])
        header[8] = 2
        header[32:] = struct.pack("<I", crc32c(header[:32]))
        with Changed(journal, 0, bytes(header)):
            start_fails(region, str(journal), "version 2", "version 1")

        region.start()  # and nothing of this has changed what is stored
        assert stored(region.client()) == records
        assert region.stop() == 0
        region.start()
        put(region.client(), 3)
        assert region.stop() == 0
        snapshot = max((data / "snapshots").glob("*.snapshot"))
        copy = snapshot.with_suffix(".copy")
        with flipped(snapshot, 20), flipped(copy, 20):
            start_fails(region, str(snapshot), "damaged", "backup")
        content = snapshot.read_bytes()
        newer = content[:8] + struct.pack("<I", 3) + content[12:-4]
        with Changed(snapshot, 0, newer + struct.pack("<I", crc32c(newer))):
            start_fails(region, str(snapshot), "version 3", "newer spillway")

        segment = min((data / "segments").iterdir())
        with flipped(segment, segment.stat().st_size - 60):
            start_fails(region, str(segment), "footer", "damaged")
        footer = bytearray(segment.read_bytes()[-72:])
        footer[64] = 2
        footer[68:] = struct.pack("<I", crc32c(footer[:68]))
        with Changed(segment, -72, bytes(footer)):
            start_fails(region, str(segment), "version 2")
        # A block is looked at when somebody reads it: an error for that, and everything else goes on.
        with flipped(segment, 100):
            region.start()
            client = region.client()
            try:
                stored(client)
                raise AssertionError("a damaged block was served")
            except client.exceptions.ClientError as error:
                told = error.response["Error"]
                assert told["Code"] == "InternalFailureException", told
                assert str(segment) in told["Message"] and "damaged" in told["Message"], told
                assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 500
            assert len(put(client, 3)) == 3
            assert region.stop() == 0
        region.start()
        assert stored(region.client())[:30] == records
        assert region.stop() == 0


class Mount:
    """A small disk of its own."""

    def __init__(self, mib):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="spillway-disk-"))
        self.mounted = os.geteuid() == 0 and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "spillway-test", self.path],
            capture_output=True, check=False).returncode == 0

    def read_only(self, on):
        subprocess.run(["mount", "-o", f"remount,{'ro' if on else 'rw'}", self.path], check=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.mounted:
            subprocess.run(["umount", "-l", self.path], check=True)
        self.path.rmdir()


def readiness(region):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{region.admin}/health/ready", timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def skip(what):
    assert not os.environ.get("CI"), f"{what}: mounting is not permitted here, and CI has to"
    print(f"{what}: SKIPPED, mounting is not permitted here")


def check_failed_write():
    """The system refuses a write in the middle of the journal: no more are tried, and reads go on."""
    with small_region() as region:
        # A limit to the size of files stands for a broken disk: it makes the write itself fail.
        region.stop()
        region.process_options = {"restore_signals": False}  # SIGXFSZ stays ignored
        region.start()
        client = region.client()
        client.create_stream(StreamName="s", ShardCount=1)
        records = put(client, 5)
        unlimited = resource.prlimit(region.process.pid, resource.RLIMIT_FSIZE, (1024, -1))
        journal = max((region.data / "journal").glob("*.journal"))
        for _ in range(2):  # the second is refused without being tried
            try:
                put(client, 1)
                raise AssertionError("a record was acknowledged that could not be written")
            except client.exceptions.ClientError as error:
                told = error.response["Error"]
                assert told["Code"] == "InternalFailureException", told
                for part in ("writes stopped until a restart", str(journal), "File too large (at byte "):
                    assert part in told["Message"], told
            resource.prlimit(region.process.pid, resource.RLIMIT_FSIZE, unlimited)
        health = readiness(region)
        assert health[0] == 503 and str(journal) in health[1], health
        assert stored(client) == records
        assert region.stop() == 0
        region.start()
        assert stored(region.client())[:5] == records
        assert len(put(region.client(), 1)) == 1
        assert region.stop() == 0
        journal = min((region.data / "journal").glob("*.journal"))
        away = journal.with_name("away")
        journal.rename(away)
        journal.mkdir()  # a file that can't be read, for root too
        start_fails(region, str(journal), "Is a directory")
        journal.rmdir()
        away.rename(journal)
        region.start()
        assert region.stop() == 0
    print("a failed write: named, final until a restart")


def check_full_disk():
    with Mount(120) as disk:
        if not disk.mounted:
            return skip("full disk")
        region = small_region(disk.path / "data")
        with region:
            client = region.client()
            client.create_stream(StreamName="s", ShardCount=1)
            acknowledged = put(client, 5)
            ballast = disk.path / "ballast"
            with open(ballast, "wb") as file:  # what is left, but for less than a journal file
                free = os.statvfs(disk.path)
                file.write(b"\0" * (free.f_bavail * free.f_frsize - (4 << 20)))
            error, count = None, 0
            while error is None:
                assert count < 200, "more was taken than there is room for"
                answer = client.put_records(StreamName="s", Records=[
                    {"Data": os.urandom(500_000), "PartitionKey": "k"} for _ in range(4)])
                for result in answer["Records"]:
                    if "ErrorCode" in result:
                        error = result
                    else:
                        count += 1
            # The API has two errors for a record; both make a client try again later.
            assert error["ErrorCode"] in ("ProvisionedThroughputExceededException",
                                          "InternalFailure"), error
            assert "space" in error["ErrorMessage"], error
            health = readiness(region)
            assert health[0] == 503 and "space" in health[1], health
            full = len(stored(client))
            assert full == 5 + count and stored(client)[:5] == acknowledged
            assert region.process.poll() is None
            ballast.unlink()
            wait_until(lambda: readiness(region)[0] == 200)  # before anybody has put again

            def writes_go_on():
                answer = client.put_records(StreamName="s", Records=[
                    {"Data": b"after", "PartitionKey": "k"}])
                return answer["FailedRecordCount"] == 0
            wait_until(writes_go_on)
            # The log is written in the background.
            wait_until(lambda: "space for records again" in (region.directory / "log").read_text())
            log = (region.directory / "log").read_text()
            assert log.count("no space for records") == 1, log
            now = stored(client)
            assert len(now) == full + 1 and now[-1][1] == b"after", (len(now), full)
            region.kill()
            region.start()
            assert stored(region.client()) == now
            assert region.stop() == 0
    print(f"full disk: refused after {count} records, went on by itself")


def check_read_only_disk():
    with Mount(120) as disk:
        if not disk.mounted:
            return skip("read-only disk")
        region = small_region(disk.path / "data")
        with region:
            region.client().create_stream(StreamName="s", ShardCount=1)
            records = put(region.client(), 5)
            assert region.stop() == 0
            disk.read_only(True)
            start_fails(region, str(disk.path / "data"), "Read-only file system")
            disk.read_only(False)
            region.start()
            assert stored(region.client()) == records
            assert region.stop() == 0
        empty = small_region(disk.path / "other")
        disk.read_only(True)
        start_fails(empty, str(disk.path / "other"), "Read-only file system")
        shutil.rmtree(empty.directory)
    print("read-only disk: refused")


def main():
    check_second_process()
    check_damage_and_newer_versions()
    check_failed_write()
    check_full_disk()
    check_read_only_disk()
    print("disk: a second process, damage and newer versions are refused by name")


if __name__ == "__main__":
    main()
