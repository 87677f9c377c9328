"""Runs node/node_test.mjs against a real region that verifies every signature.

`tools/test` installs Node and the SDK.
"""

from verified import HERE, VerifiedRegion


def main():
    if not (HERE / "node" / "node_modules").is_dir():
        raise SystemExit("the AWS SDK for Node is not installed: tools/test installs it")
    with VerifiedRegion() as region:
        region.run("node", HERE / "node" / "node_test.mjs", region.endpoint, region.records_file)
        assert region.stop() == 0


if __name__ == "__main__":
    main()
