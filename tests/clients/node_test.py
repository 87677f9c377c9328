"""Runs node/node_test.mjs against a real region that verifies every signature.

`tools/test` installs Node and the SDK.
"""

import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from region import Region  # noqa: E402

KEY = '[[serve.keys]]\naccess_key = "NODECLIENT"\nsecret_key = "a secret of its own"\n'


def main():
    if not (HERE / "node" / "node_modules").is_dir():
        raise SystemExit("the AWS SDK for Node is not installed: tools/test installs it")
    region = Region()
    config = region.directory / "spillway.toml"
    config.write_text(KEY)
    region.arguments = ("--config", str(config))
    with region:
        subprocess.run(["node", str(HERE / "node" / "node_test.mjs"), region.endpoint,
                        "NODECLIENT", "a secret of its own"], check=True, timeout=120)
        assert region.stop() == 0


if __name__ == "__main__":
    main()
