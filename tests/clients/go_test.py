"""The AWS SDK for Go v2, as tests/clients/go/go.mod pins it, over HTTP/1.1 and over HTTP/2 in TLS; and the README's
lines for it.
"""

import shutil

from verified import BUILD, HERE, VerifiedRegion, readme_program


def check_readme(region):
    region.client().create_stream(StreamName="greetings", ShardCount=1)
    hello = region.directory / "hello"
    hello.mkdir()
    (hello / "main.go").write_text(readme_program("go_test.py", region), encoding="utf-8")
    for pinned in ("go.mod", "go.sum"):
        shutil.copy(HERE / "go" / pinned, hello)
    assert region.run(BUILD / "go" / "go", "run", "-C", hello, ".") == "hello from Go\n"


def main():
    with VerifiedRegion() as region:
        program = BUILD / "go" / "clients"
        region.run(program, region.endpoint, region.records_file)
        region.run(program, region.tls_endpoint, region.records_file, region.authority)
        check_readme(region)
        assert region.stop() == 0


if __name__ == "__main__":
    main()
