"""What boto3_test.py does, over rpc-v2-cbor: botocore speaks it where a service's model says so.

AWS's model of Kinesis doesn't yet; this one gets a copy that does. Needs a botocore of 2025 or newer.
"""

import gzip
import json
import os
import pathlib
import tempfile

import botocore

MODEL = "kinesis/2013-12-02/service-2.json"


def main():
    with tempfile.TemporaryDirectory() as directory:
        packed = pathlib.Path(botocore.__file__).parent / "data" / f"{MODEL}.gz"
        model = json.loads(gzip.decompress(packed.read_bytes()))
        model["metadata"] |= {"protocol": "smithy-rpc-v2-cbor", "protocols": ["smithy-rpc-v2-cbor"]}
        path = pathlib.Path(directory) / MODEL
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(model), encoding="utf-8")
        os.environ["AWS_DATA_PATH"] = directory
        import boto3_test  # its clients read the environment
        client = boto3_test.boto3.client("kinesis", "us-east-1")
        assert client.meta.service_model.resolved_protocol == "smithy-rpc-v2-cbor"
        boto3_test.main()


if __name__ == "__main__":
    main()
