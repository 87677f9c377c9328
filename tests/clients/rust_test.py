"""The AWS SDK for Rust, as tests/clients/rust/Cargo.lock pins it."""

from verified import BUILD, VerifiedRegion


def main():
    with VerifiedRegion() as region:
        region.run(BUILD / "rust" / "debug" / "clients", region.endpoint, region.records_file)
        assert region.spoken() == {"HTTP/1.1"}
        assert region.stop() == 0


if __name__ == "__main__":
    main()
