"""Who may do what: keys of `spillway keys` with their policies, resource policies, presigned requests,
rates, and what the audit log says of it.
"""

import datetime
import hashlib
import json
import pathlib
import signal
import subprocess
import sys
import typing
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "model"))
import boto3  # noqa: E402
import cbor  # noqa: E402
import botocore.auth  # noqa: E402
import botocore.awsrequest  # noqa: E402
import botocore.credentials  # noqa: E402
from botocore.config import Config  # noqa: E402
from region import BINARY, Region, expect, wait_until  # noqa: E402

ARN = "arn:aws:kinesis:us-east-1:000000000000:stream/"
INVALID_TOKEN = "The security token included in the request is invalid"


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource} | more


def deny(action, resource="*", **more):
    return allow(action, resource, **more) | {"Effect": "Deny"}


class Keys:
    """`spillway keys` on a region's data directory."""

    def __init__(self, region):
        self.region = region

    def run(self, *arguments):
        command = [str(BINARY), "keys", *arguments, "--data", str(self.region.data),
                   "--admin", f"127.0.0.1:{self.region.admin}"]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def ok(self, *arguments):
        ended = self.run(*arguments)
        assert ended.returncode == 0, ended
        return ended.stdout

    def create(self, holder, *arguments, document=None):
        if document is not None:
            path = self.region.directory / f"{holder}.json"
            path.write_text(document, encoding="utf-8")
            arguments += ("--policy", str(path))
        return json.loads(self.ok("create", holder, "--json", *arguments))

    def listed(self):
        return {key["id"]: key for key in map(json.loads, self.ok("list", "--json").splitlines())}


def client_of(region, made, endpoint=None, **options):
    return boto3.client("kinesis", endpoint_url=endpoint or region.endpoint, region_name="us-east-1",
                        aws_access_key_id=made["access_key"], aws_secret_access_key=made["secret_key"],
                        aws_session_token=made.get("session_token"), **options,
                        config=Config(retries={"total_max_attempts": 1}, read_timeout=20))


def put(client, stream):
    return lambda: client.put_record(StreamName=stream, Data=b"x", PartitionKey="k")


def check_keys_are_needed(region, keys):
    """The first key ends the time in which anybody was served; the secret is nowhere to be read."""
    anybody = region.client()
    anybody.create_stream(StreamName="orders", ShardCount=1)
    anybody.create_stream(StreamName="other", ShardCount=1)
    admin = keys.create("admin")
    expect("UnrecognizedClientException", anybody.list_streams, INVALID_TOKEN)
    client = client_of(region, admin)
    assert client.list_streams()["StreamNames"] == ["orders", "other"]
    wrong = admin | {"secret_key": admin["secret_key"][::-1]}
    expect("InvalidSignatureException", client_of(region, wrong).list_streams)
    for path in region.data.rglob("*"):
        if path.is_file():
            assert admin["secret_key"].encode() not in path.read_bytes(), path
    assert admin["secret_key"] not in keys.ok("list", "--json")
    return admin, client


def check_other_directories(region, keys):
    """A directory in which the region doesn't store is told: what is done there changes nothing."""
    nowhere = region.directory / "nowhere"
    for command in (["keys", "list"], ["keys", "disable", "AKIDNONE"], ["audit", "log"]):
        ended = subprocess.run([str(BINARY), *command, "--data", str(nowhere)], capture_output=True, text=True,
                               timeout=60, check=False)
        assert ended.returncode == 1 and "is no data directory" in ended.stderr, ended
        assert not nowhere.exists(), command
    assert keys.run("import").returncode == 2
    first = keys.create("first")
    ended = keys.run("delete", first["access_key"])
    assert ended.returncode == 0 and "there is no access key now" in ended.stderr, ended
    elsewhere = subprocess.run([str(BINARY), "keys", "create", "lost", "--data", str(nowhere), "--admin",
                                f"127.0.0.1:{region.admin}"], capture_output=True, text=True, timeout=60, check=True)
    assert f"made {nowhere}: is this where" in elsewhere.stderr, elsewhere
    assert "goes by 0 access keys" in elsewhere.stderr, elsewhere


def check_policies(region, keys):
    writer = keys.create("writer", document=policy(
        allow(["kinesis:Put*", "kinesis:GetShardIterator", "kinesis:GetRecords"], ARN + "orders"),
        allow("kinesis:DescribeStream*"), deny("kinesis:DescribeStream", ARN + "ord*")))
    client = client_of(region, writer)
    put(client, "orders")()
    user = "User: arn:aws:iam::000000000000:user/writer is not authorized to perform: kinesis:"
    expect("AccessDeniedException", put(client, "other"),
           f"{user}PutRecord on resource: {ARN}other because no identity-based policy allows the "
           "kinesis:PutRecord action")
    expect("AccessDeniedException", lambda: client.describe_stream(StreamARN=ARN + "orders"),
           f"{user}DescribeStream on resource: {ARN}orders with an explicit deny in an identity-based policy")
    client.describe_stream(StreamName="other")
    client.describe_stream_summary(StreamName="orders")
    expect("AccessDeniedException", client.list_streams, f"{user}ListStreams on resource: *")
    # A stream that isn't there is no secret that a policy gives away.
    expect("AccessDeniedException", put(client, "none"))
    iterator = client.get_shard_iterator(StreamName="orders", ShardId="shardId-000000000000",
                                         ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    assert len(client.get_records(ShardIterator=iterator)["Records"]) == 1
    reader = client_of(region, keys.create("reader", document=policy(
        allow(["kinesis:GetRecords"], ARN + "other"))))
    expect("AccessDeniedException", lambda: reader.get_records(ShardIterator=iterator),
           f"GetRecords on resource: {ARN}orders")
    tagger = client_of(region, keys.create("tagger", document=policy(allow("kinesis:CreateStream"))))
    expect("AccessDeniedException",
           lambda: tagger.create_stream(StreamName="t", ShardCount=1, Tags={"a": "b"}),
           "kinesis:AddTagsToStream")
    return writer


def minimal(shape, name=""):
    """The least that the service model takes for a shape."""
    if shape.type_name == "structure":
        return {member: minimal(shape.members[member], member) for member in shape.required_members}
    if shape.type_name == "list":
        return [minimal(shape.member)]
    if shape.type_name == "map":
        return {"k": "v"}
    if shape.type_name in ("integer", "long"):
        return max(1, shape.metadata.get("min", 1))
    if shape.type_name == "blob":
        return b"x"
    if shape.enum:
        return shape.enum[0]
    if name == "ConsumerARN":
        return ARN + "orders/consumer/c:1"
    return ARN + "orders" if name.endswith("ARN") else "1"


def check_every_operation(region, keys, admin):
    """Whoever may do nothing can do nothing, whatever the operation."""
    nobody = client_of(region, keys.create("nobody", document=policy(deny("sts:*"))))
    iterator = client_of(region, admin).get_shard_iterator(
        StreamName="orders", ShardId="shardId-000000000000", ShardIteratorType="LATEST")["ShardIterator"]
    model = nobody.meta.service_model
    seen = 0
    for name in model.operation_names:
        operation = model.operation_model(name)
        inputs = minimal(operation.input_shape) if operation.input_shape else {}
        members = operation.input_shape.members if operation.input_shape else {}
        if "StreamARN" in members:
            inputs["StreamARN"] = ARN + "orders"
        elif "StreamName" in members:
            inputs["StreamName"] = "orders"
        if "ConsumerARN" in members:
            inputs["ConsumerARN"] = ARN + "orders/consumer/c:1"
        if "ShardIterator" in members:
            inputs["ShardIterator"] = iterator
        if name in ("AddTagsToStream", "TagResource"):
            inputs["Tags"] = {"k": "v"}
        method = getattr(nobody, name_of(nobody, name))
        try:
            method(**inputs)
        except nobody.exceptions.ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "UnknownOperationException":
                continue
            assert code == "AccessDeniedException", (name, error)
            seen += 1
            continue
        raise AssertionError(f"{name} was allowed")
    assert seen >= 30, seen


def name_of(client, operation):
    return next(name for name, known in client.meta.method_to_api_mapping.items() if known == operation)


def check_conditions(region, keys):
    plain = keys.create("near", document=policy(
        allow("*", Condition={"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}})))
    client_of(region, plain).list_streams()
    far = keys.create("far", document=policy(
        allow("*", Condition={"NotIpAddress": {"aws:SourceIp": "127.0.0.1/32"}})))
    expect("AccessDeniedException", client_of(region, far).list_streams)
    secure = keys.create("secure", document=policy(
        allow("*"), deny("*", Condition={"Bool": {"aws:SecureTransport": "false"}})))
    expect("AccessDeniedException", client_of(region, secure).list_streams, "explicit deny")
    client_of(region, secure, f"https://localhost:{region.port}",
              verify=str(region.data / "tls" / "ca.pem")).list_streams()


def check_bad_policies(region, keys):
    before = keys.listed()
    path = region.directory / "bad.json"
    for text, message in (("{", "is no JSON"),
                          (policy(allow("*", Condition={"IpAddres": {"aws:SourceIp": "1.2.3.4"}})),
                           'did you mean "IpAddress"?'),
                          (policy(allow("*", "orders")), "must be \"*\" or an ARN")):
        path.write_text(text, encoding="utf-8")
        ended = keys.run("create", "x", "--policy", str(path))
        assert ended.returncode == 1 and message in ended.stderr and "bad.json" in ended.stderr, ended
    assert keys.listed() == before


def check_disable_and_delete(region, keys, writer):
    client = client_of(region, writer)
    keys.ok("disable", writer["access_key"])
    expect("UnrecognizedClientException", put(client, "orders"), INVALID_TOKEN)
    assert keys.listed()[writer["access_key"]]["status"] == "disabled"
    keys.ok("enable", writer["access_key"])
    put(client, "orders")()
    path = region.directory / "none.json"
    path.write_text(policy(deny("*")), encoding="utf-8")
    keys.ok("policy", writer["access_key"], str(path))
    expect("AccessDeniedException", put(client, "orders"), "explicit deny")
    assert keys.ok("policy", writer["access_key"]).strip() == path.read_text()
    keys.ok("delete", writer["access_key"])
    expect("UnrecognizedClientException", put(client, "orders"))
    assert writer["access_key"] not in keys.listed()
    assert keys.run("enable", writer["access_key"]).returncode == 1


def check_rotation(region, keys):
    old = keys.create("rotating")
    new = json.loads(keys.ok("rotate", old["access_key"], "--grace", "1h", "--json"))
    assert new["access_key"] == old["access_key"] and new["secret_key"] != old["secret_key"]
    client_of(region, old).list_streams()
    client_of(region, new).list_streams()
    newest = json.loads(keys.ok("rotate", old["access_key"], "--json"))
    client_of(region, newest).list_streams()
    for earlier in (old, new):
        expect("InvalidSignatureException", client_of(region, earlier).list_streams)
    brief = json.loads(keys.ok("rotate", old["access_key"], "--grace", "1s", "--json"))
    client_of(region, brief).list_streams()
    wait_until(lambda: refused(client_of(region, newest).list_streams) == "InvalidSignatureException")


def refused(call):
    """The error's code; nothing where there is none."""
    try:
        call()
    except Exception as error:
        return error.response["Error"]["Code"]
    return None


def check_sessions(region, keys):
    made = keys.create("guest", "--session", "--expires", "2s")
    assert made["access_key"].startswith("ASIA")
    client = client_of(region, made)
    client.list_streams()
    without = {name: value for name, value in made.items() if name != "session_token"}
    expect("UnrecognizedClientException", client_of(region, without).list_streams, INVALID_TOKEN)
    forever = keys.create("forever")
    expect("UnrecognizedClientException",
           client_of(region, forever | {"session_token": made["session_token"]}).list_streams, INVALID_TOKEN)
    wait_until(lambda: refused(client.list_streams) is not None)
    expect("ExpiredTokenException", client.list_streams,
           "The security token included in the request is expired")
    assert keys.listed()[made["access_key"]]["status"] == "expired"


class Presigned(botocore.auth.SigV4QueryAuth):
    """Signs a body that stays one; botocore would make it parameters."""

    def __init__(self, made, body, expires):
        super().__init__(botocore.credentials.Credentials(
            made["access_key"], made["secret_key"], made.get("session_token")), "kinesis", "us-east-1", expires)
        self.body = body

    def payload(self, request):
        return hashlib.sha256(self.body).hexdigest()


class Form(typing.NamedTuple):
    """How a ListStreams is written, and its answer."""
    path: str
    headers: dict
    empty: bytes
    decode: typing.Callable


TARGET = {"X-Amz-Target": "Kinesis_20131202.ListStreams"}
AS_JSON = Form("/", TARGET | {"Content-Type": "application/x-amz-json-1.1"}, b"{}", json.loads)
AS_CBOR = Form("/", TARGET | {"Content-Type": "application/x-amz-cbor-1.1"}, cbor.encode({}), cbor.decode)
AS_RPC_CBOR = Form("/service/Kinesis_20131202/operation/ListStreams",
                   {"Content-Type": "application/cbor", "Smithy-Protocol": "rpc-v2-cbor"}, cbor.encode({}), cbor.decode)


def ask_presigned(region, made, body=None, sent=None, expires=60, ago=0, form=AS_JSON):
    """(status, document) of a presigned ListStreams."""
    body = form.empty if body is None else body
    request = botocore.awsrequest.AWSRequest("POST", region.endpoint + form.path, headers=form.headers)
    real = botocore.auth.get_current_datetime
    botocore.auth.get_current_datetime = lambda *_, **__: real() - datetime.timedelta(seconds=ago)
    try:
        Presigned(made, body, expires).add_auth(request)
    finally:
        botocore.auth.get_current_datetime = real
    asked = urllib.request.Request(request.url, data=sent or body, headers=dict(request.headers), method="POST")
    try:
        with urllib.request.urlopen(asked, timeout=20) as answer:
            return answer.status, form.decode(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, form.decode(error.read())


def check_presigned(region, keys, admin):
    guest = keys.create("guest", "--session")
    without = {name: value for name, value in guest.items() if name != "session_token"}
    for form in (AS_JSON, AS_CBOR, AS_RPC_CBOR):
        for made in (admin, guest):
            status, answer = ask_presigned(region, made, form=form)
            assert status == 200 and answer["StreamNames"] == ["orders", "other"], (form, answer)
        for made in (without, guest | {"session_token": guest["session_token"][::-1]},
                     admin | {"session_token": guest["session_token"]}):
            status, answer = ask_presigned(region, made, form=form)
            assert status == 400 and answer["__type"] == "UnrecognizedClientException", (form, answer)
        status, answer = ask_presigned(region, admin | {"secret_key": guest["secret_key"]}, form=form)
        assert status == 400 and answer["__type"] == "InvalidSignatureException", (form, answer)
    status, answer = ask_presigned(region, admin, sent=b'{"Limit":1}')
    assert status == 400 and answer["__type"] == "InvalidSignatureException", answer
    assert ask_presigned(region, admin, expires=600, ago=400)[0] == 200, "its own life counts"
    status, answer = ask_presigned(region, admin, expires=60, ago=100)
    assert status == 400 and "Signature expired" in answer["message"], answer
    status, answer = ask_presigned(region, admin, expires=604801)
    assert status == 400 and answer["__type"] == "IncompleteSignatureException", answer


def check_rates(region, keys):
    slow = client_of(region, keys.create("slow", "--requests-per-second", "3"))
    outcomes = [refused(slow.list_streams) for _ in range(30)]
    assert outcomes[0] is None and "ThrottlingException" in outcomes, outcomes
    assert set(outcomes) <= {None, "ThrottlingException"}, outcomes
    heavy = client_of(region, keys.create("heavy", "--bytes-per-second", "10000"))
    heavy.put_record(StreamName="orders", Data=b"x" * 500_000, PartitionKey="k")
    expect("ThrottlingException", put(heavy, "orders"), "Rate exceeded")


def check_resource_policies(region, keys, admin):
    client = client_of(region, admin)
    arn = ARN + "orders"
    assert client.get_resource_policy(ResourceARN=arn)["Policy"] == "{}"
    outsider = client_of(region, keys.create("outsider", document=policy(allow("kinesis:ListStreams"))))
    expect("AccessDeniedException", put(outsider, "orders"))
    user = {"AWS": "arn:aws:iam::000000000000:user/outsider"}
    text = policy(allow("kinesis:PutRecord", arn, Principal=user))
    client.put_resource_policy(ResourceARN=arn, Policy=text)
    assert client.get_resource_policy(ResourceARN=arn)["Policy"] == text
    put(outsider, "orders")()
    expect("AccessDeniedException", put(outsider, "other"))
    # An account's permission is for its own policies to hand on; its denial is one.
    client.put_resource_policy(ResourceARN=arn, Policy=policy(
        allow("kinesis:PutRecord", arn, Principal={"AWS": "000000000000"})))
    expect("AccessDeniedException", put(outsider, "orders"), "no identity-based policy allows")
    client.put_resource_policy(ResourceARN=arn, Policy=policy(
        deny("kinesis:PutRecord", arn, Principal={"AWS": "000000000000"})))
    expect("AccessDeniedException", put(client, "orders"), "with an explicit deny in a resource-based policy")
    region.kill()
    region.start()
    expect("AccessDeniedException", put(client, "orders"), "resource-based policy")
    client.delete_resource_policy(ResourceARN=arn)
    put(client, "orders")()
    expect("InvalidArgumentException", lambda: client.put_resource_policy(ResourceARN=arn, Policy="{"), "is no JSON")
    expect("InvalidArgumentException",
           lambda: client.put_resource_policy(ResourceARN=arn, Policy=policy(allow("*"))), "Principal")
    expect("ResourceNotFoundException",
           lambda: client.put_resource_policy(ResourceARN=ARN + "none", Policy=text))
    check_consumers(client, outsider, arn, user)


def check_consumers(client, outsider, arn, user):
    consumer = client.register_stream_consumer(StreamARN=arn, ConsumerName="c")["Consumer"]["ConsumerARN"]

    def describe(by=outsider, **named):
        return lambda: by.describe_stream_consumer(**named)

    def subscribe():
        outsider.subscribe_to_shard(ConsumerARN=consumer, ShardId="shardId-000000000000",
                                    StartingPosition={"Type": "LATEST"})["EventStream"].close()
    expect("AccessDeniedException", subscribe, f"kinesis:SubscribeToShard on resource: {consumer}")
    client.put_resource_policy(ResourceARN=consumer, Policy=policy(
        allow(["kinesis:SubscribeToShard", "kinesis:DescribeStreamConsumer"], consumer, Principal=user)))
    subscribe()
    describe(ConsumerARN=consumer)()
    describe(StreamARN=arn, ConsumerName="c")()
    client.put_resource_policy(ResourceARN=consumer, Policy=policy(deny("*", consumer, Principal="*")))
    name, created = consumer.rsplit(":", 1)
    for named in ({"ConsumerARN": consumer}, {"ConsumerARN": f"{name}:0{created}"},
                  {"StreamARN": arn, "ConsumerName": "c"}):
        expect("AccessDeniedException", describe(client, **named), "resource-based policy")


def check_crashes(region, keys):
    """A key that was shown is there, whatever happens to the region."""
    made = keys.create("survivor")
    region.kill()
    late = keys.create("made-while-down")
    region.start()
    for key in (made, late):
        client_of(region, key).list_streams()
    # Without the region's admin port the file is noticed all the same.
    unseen = subprocess.run([str(BINARY), "keys", "create", "unseen", "--json", "--data", str(region.data),
                             "--admin", "127.0.0.1:1"], capture_output=True, text=True, timeout=60, check=True)
    assert "counts from its next start" in unseen.stderr, unseen
    client = client_of(region, json.loads(unseen.stdout))
    wait_until(lambda: refused(client.list_streams) is None)


def check_faults(region, keys):
    """While the master key is away, its keys' secrets can't be opened: the region's fault, in Kinesis's
    way and in that of STS."""
    made = keys.create("sealed")
    client = client_of(region, made)
    sts = boto3.client("sts", endpoint_url=region.endpoint, region_name="us-east-1",
                       aws_access_key_id=made["access_key"], aws_secret_access_key=made["secret_key"],
                       config=Config(retries={"total_max_attempts": 1}))
    assert sts.get_caller_identity()["Arn"] == "arn:aws:iam::000000000000:user/sealed"
    key, away = region.data / "master.key", region.directory / "away"
    region.kill()
    key.rename(away)
    region.start()
    for call in (client.list_streams, sts.get_caller_identity):
        try:
            call()
            raise AssertionError("it was answered")
        except client.exceptions.ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 500, error.response
            assert error.response["Error"]["Code"] == "InternalFailure", error.response
            assert "can't be opened now" in error.response["Error"]["Message"], error.response
    away.rename(key)
    region.process.send_signal(signal.SIGHUP)
    wait_until(lambda: refused(client.list_streams) is None)
    sts.get_caller_identity()
    keys.ok("delete", made["access_key"])


def check_import(region, keys, admin):
    settings = region.directory / "spillway.toml"
    settings.write_text('[[serve.keys]]\naccess_key = "AKIDCONFIG"\nsecret_key = "secret-of-config"\n')
    region.arguments = ("--config", str(settings))
    region.stop()
    region.start()
    configured = {"access_key": "AKIDCONFIG", "secret_key": "secret-of-config"}
    client_of(region, configured).list_streams()
    client_of(region, admin).list_streams()
    assert keys.ok("import", "--config", str(settings)).split() == ["AKIDCONFIG"]
    assert keys.run("delete", "AKIDCONFIG", "--config", str(settings)).returncode == 1
    keys.ok("disable", "AKIDCONFIG")
    expect("UnrecognizedClientException", client_of(region, configured).list_streams)
    settings.write_text("")
    keys.ok("enable", "AKIDCONFIG")
    region.stop()
    region.start()
    client_of(region, configured).list_streams()


def check_listening(region):
    """Keys of the data directory are enough to listen beyond loopback; without any, nothing is served."""
    region.stop()
    command = [argument.replace(f"127.0.0.1:{region.port}", f"0.0.0.0:{region.port}")
               for argument in region.command()]
    empty = [argument.replace(str(region.data), str(region.directory / "empty")) for argument in command]
    ended = subprocess.run(empty, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1 and "spillway keys create" in ended.stderr, ended
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as served:
        assert served.stdout.readline().startswith("spillway serves")
        expect("UnrecognizedClientException", region.client().list_streams)
        served.terminate()
    (region.data / "access-keys.json").write_text('{"version": 2, "keys": []}')
    ended = subprocess.run(region.command(), capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1 and "version 2" in ended.stderr, ended


def audit(region, *arguments):
    ended = subprocess.run([str(BINARY), "audit", "log", "--data", str(region.data), *arguments],
                           capture_output=True, text=True, timeout=60, check=True)
    return ended.stdout.splitlines()


def check_audit(region, keys):
    made = keys.create("watched", document=policy(allow("kinesis:CreateStream", ARN + "mine")))
    client = client_of(region, made)
    client.create_stream(StreamName="mine", ShardCount=1)
    expect("ResourceInUseException", lambda: client.create_stream(StreamName="mine", ShardCount=1))
    try:
        put(client, "mine")()
        raise AssertionError("it was allowed")
    except client.exceptions.ClientError as error:
        request_id = error.response["ResponseMetadata"]["RequestId"]
    expect("InvalidSignatureException", client_of(region, made | {"secret_key": "x" * 40}).list_streams)

    def lines(*arguments):
        return [line for line in map(json.loads, audit(region, "--json", *arguments))
                if line.get("key") == made["access_key"]]
    wait_until(lambda: len(lines()) == 4)
    created, again, denied, unsigned = lines()
    assert created["outcome"] == "ok" and created["resource"] == ARN + "mine", created
    assert created["action"] == "kinesis:CreateStream" and created["user"] == "watched", created
    assert created["authenticated"] and created["peer"] == "127.0.0.1" and not created["secure"], created
    assert again["outcome"] == "failed" and again["error"] == "ResourceInUseException", again
    assert denied["outcome"] == "denied" and denied["error"] == "AccessDeniedException", denied
    assert denied["request_id"] == request_id and denied["action"] == "kinesis:PutRecord", denied
    assert unsigned["outcome"] == "denied" and not unsigned["authenticated"], unsigned
    assert lines("--denied") == [denied, unsigned]
    assert len(lines("--denied", "--since", "1h")) == 2
    text = [line for line in audit(region, "--denied") if request_id in line]
    assert len(text) == 1 and "AccessDeniedException" in text[0] and "watched" in text[0], text
    assert not any(made["secret_key"] in line for line in audit(region, "--json"))
    region.stop()  # what is queued is written
    region.start()
    assert len(lines()) == 4


def main():
    with Region() as region:
        keys = Keys(region)
        check_other_directories(region, keys)
        admin, client = check_keys_are_needed(region, keys)
        writer = check_policies(region, keys)
        check_every_operation(region, keys, admin)
        check_conditions(region, keys)
        check_bad_policies(region, keys)
        check_disable_and_delete(region, keys, writer)
        check_rotation(region, keys)
        check_sessions(region, keys)
        check_presigned(region, keys, admin)
        check_rates(region, keys)
        check_audit(region, keys)
        client.delete_stream(StreamName="mine")
        check_resource_policies(region, keys, admin)
        check_crashes(region, keys)
        check_faults(region, keys)
        check_import(region, keys, admin)
        check_listening(region)
    print("authz: keys, policies of keys and resources, sessions, presigned requests, rates, the audit log")


if __name__ == "__main__":
    main()
