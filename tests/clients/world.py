"""Regions that are a network away: each in a network namespace of its own, on a disk of its own, behind a proxy;
the test and its broker in another one.

`enter()` first: it starts the program again in new namespaces for network, mounts and processes, so that whatever
happens to it nothing of it is left, and it needs to be root only where the system forbids namespaces to others.
"""

import contextlib
import os
import pathlib
import subprocess
import sys

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "model")]
from region import Region  # noqa: E402

ACCESS_KEY, SECRET_KEY = "AKIDWORLD", "secret-of-the-world"
PORT, PROXY_PORT = 4566, 4443
# Its journals fill soon, so that a full disk is met soon.
SETTINGS = """[serve]
journal_file_mib = 16
queue_mib = 8
tail_mib = 8
tls_certificate = "{directory}/certificate.pem"
tls_key = "{directory}/key.pem"
[[serve.keys]]
access_key = "{access_key}"
secret_key = "{secret_key}"
"""


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60, check=False,
                          **options)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: {done.stdout}{done.stderr}")
    return done.stdout


def enter():
    """Returns in the namespaces; in the first program it doesn't return."""
    if os.environ.get("SPILLWAY_WORLD") == "inside":
        run("ip", "link", "set", "lo", "up")
        return
    new = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid() != 0:
        new.append("--map-root-user")
    probe = subprocess.run([*new, "ip", "link", "set", "lo", "up"], capture_output=True, text=True, timeout=60,
                           check=False)
    if probe.returncode != 0:
        sys.exit("network namespaces are not permitted here, or iproute2 is missing: be root, or "
                 f"`sysctl kernel.unprivileged_userns_clone=1`: {probe.stderr.strip()}")
    os.execvpe(new[0], [*new, sys.executable, *sys.argv], os.environ | {"SPILLWAY_WORLD": "inside"})


class Authority:
    """Issues the regions' certificates."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.file = self.directory / "ca.pem"
        run("openssl", "req", "-x509", *self.new_key("ca.key"), "-out", self.file, "-days", 30, "-subj", "/CN=world")

    def new_key(self, name):
        return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", self.directory / name)

    def issue(self, address, into, days):
        """certificate.pem and key.pem; expired when `days` is negative."""
        request, extensions = self.directory / "request.pem", self.directory / "extensions"
        extensions.write_text(f"subjectAltName=IP:{address}\n", encoding="utf-8")
        run("openssl", "req", *self.new_key("key.pem"), "-out", request, "-subj", "/CN=region")
        run("openssl", "x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self.directory / "ca.key",
            "-extfile", extensions, "-days", days, "-out", into / "certificate.pem")
        (self.directory / "key.pem").replace(into / "key.pem")


class FarRegion(Region):
    """At `address`, over https."""

    def __init__(self, name, number, authority, disk_mib=512):
        super().__init__()
        self.name, self.authority = name, authority
        self.link, self.near, self.address = f"to-{name}", f"10.9.{number}.1", f"10.9.{number}.2"
        self.port = PORT
        self.data.mkdir()
        run("mount", "-t", "tmpfs", "-o", f"size={disk_mib}m", "tmpfs", self.data)
        self.ballast = self.data / "ballast"
        config = self.directory / "spillway.toml"
        config.write_text(SETTINGS.format(directory=self.directory, access_key=ACCESS_KEY, secret_key=SECRET_KEY),
                          encoding="utf-8")
        authority.issue(self.address, self.directory, days=30)
        self.arguments = ("--config", str(config))
        self.holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        self.make_link()
        self.proxy = subprocess.Popen([*self.inside(), sys.executable, TESTS / "clients" / "proxy.py", self.address,
                                       str(PROXY_PORT), self.address, str(PORT)],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.proxy_says("pass")

    @property
    def endpoint(self):
        return f"https://{self.address}:{PROXY_PORT}"

    def inside(self):
        return ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net"]

    def make_link(self):
        ours = os.readlink("/proc/self/ns/net")
        while os.readlink(f"/proc/{self.holder.pid}/ns/net") == ours:
            if self.holder.poll() is not None:
                raise AssertionError("unshare --net ended")
        run("ip", "link", "add", self.link, "type", "veth", "peer", "name", "wan", "netns", self.holder.pid)
        run("ip", "address", "add", f"{self.near}/30", "dev", self.link)
        run("ip", "link", "set", self.link, "up")
        run(*self.inside(), "ip", "address", "add", f"{self.address}/30", "dev", "wan")
        for device in ("wan", "lo"):
            run(*self.inside(), "ip", "link", "set", device, "up")

    def command(self):
        command = super().command()
        command[command.index("--listen") + 1] = f"{self.address}:{PORT}"
        return [*self.inside(), *command]

    def proxy_says(self, line):
        said = self.proxy.stdout.readline().strip()
        if said != line:
            raise AssertionError(f"the proxy of {self.name} says '{said}' instead of '{line}'")

    def behave(self, mode="pass"):
        """One of proxy.py's modes."""
        print(mode, file=self.proxy.stdin, flush=True)
        self.proxy_says(mode)

    def unplug(self):
        run("ip", "link", "set", self.link, "down")

    def plug(self):
        run("ip", "link", "set", self.link, "up")

    def silence(self):
        """What it is sent gets there; nothing comes back."""
        run(*self.inside(), "ip", "route", "add", "blackhole", f"{self.near}/32")

    def unsilence(self):
        run(*self.inside(), "ip", "route", "del", "blackhole", f"{self.near}/32")

    def restart(self):
        self.kill()
        self.start()

    def with_certificate(self, days):
        self.authority.issue(self.address, self.directory, days)
        self.restart()

    def fill_disk(self):
        with open(self.ballast, "wb") as ballast:
            size = 0
            for step in (1 << 20, 1 << 12):
                with contextlib.suppress(OSError):
                    while True:
                        os.posix_fallocate(ballast.fileno(), size, step)
                        size += step

    def empty_disk(self):
        self.ballast.unlink()

    def reading_client(self):
        """boto3's, that asks the region itself."""
        import boto3
        return boto3.client("kinesis", endpoint_url=f"https://{self.address}:{PORT}", verify=str(self.authority.file),
                            region_name="us-east-1", aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY)

    def __exit__(self, *raised):
        for process in (self.proxy, self.holder):
            process.kill()
            process.wait()
        if self.process and self.process.poll() is None:
            self.kill()
        run("umount", "--lazy", self.data)
        super().__exit__(*raised)
