"""SIGHUP: access keys change in a running region, and a broken file changes nothing."""

import pathlib
import signal
import sys

from botocore.exceptions import ClientError

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from region import Region, wait_until  # noqa: E402


def keys(*names):
    return "".join(f'[[serve.keys]]\naccess_key = "{name}"\nsecret_key = "secret of {name}"\n'
                   for name in names)


def main():
    region = Region()
    config = region.directory / "spillway.toml"
    log = region.directory / "log"
    region.arguments = ("--config", str(config))
    config.write_text(keys("FIRST"), encoding="ascii")

    def error_of(name):
        client = region.client(access_key=name, secret_key=f"secret of {name}")
        try:
            client.list_streams()
        except ClientError as error:
            return error.response["Error"]["Code"]
        return None

    def reload(text, expected):
        """Writes the file, sends SIGHUP, and returns when the log has said `expected`."""
        config.write_text(text, encoding="ascii")
        seen = len(log.read_text(encoding="utf-8"))
        region.process.send_signal(signal.SIGHUP)
        wait_until(lambda: expected in log.read_text(encoding="utf-8")[seen:])
        return log.read_text(encoding="utf-8")[seen:]

    with region:
        assert error_of("FIRST") is None
        assert error_of("SECOND") == "UnrecognizedClientException"
        said = reload(keys("SECOND") + '[serve]\nregion = "eu-west-1"\n', "configuration reloaded")
        assert "a change waits for a restart" in said and "serve.region" in said, said
        assert error_of("SECOND") is None, "a key that was added"
        assert error_of("FIRST") == "UnrecognizedClientException", "a key that was taken away"
        said = reload("[serve]\nlisten =\n", "configuration not reloaded")
        assert "spillway.toml" in said, said
        assert error_of("SECOND") is None, "a broken file changes nothing"
        assert region.stop() == 0
    print("reload: keys come and go at SIGHUP; a broken file changes nothing")


if __name__ == "__main__":
    main()
