"""The AWS SDK for Java v2, as tests/clients/java/pom.xml pins it, over http and https; and the README's lines for it."""

import subprocess

from verified import VerifiedRegion, java, readme_program


def check_readme(region):
    region.client().create_stream(StreamName="greetings", ShardCount=1)
    hello = region.directory / "Hello.java"
    hello.write_text(readme_program("java_test.py", region), encoding="utf-8")
    assert region.run(*java("java", hello)) == "hello from Java\n"


def main():
    with VerifiedRegion() as region:
        trust = region.directory / "trust.jks"
        subprocess.run(["keytool", "-importcert", "-noprompt", "-alias", "spillway", "-storepass", "changeit",
                        "-file", region.authority, "-keystore", trust], check=True, capture_output=True)
        region.run(*java("java", "SdkTest"), region.endpoint, region.records_file)
        assert region.spoken() == {"HTTP/1.1", "HTTP/2"}
        trusting = (f"-Djavax.net.ssl.trustStore={trust}", "-Djavax.net.ssl.trustStorePassword=changeit")
        region.run(*java("java", "SdkTest", trusting), region.tls_endpoint, region.records_file)
        assert region.spoken() == {"HTTP/1.1", "HTTP/2"}
        check_readme(region)
        assert region.stop() == 0


if __name__ == "__main__":
    main()
