// The AWS SDK for Node, unmodified: `node node_test.mjs ENDPOINT RECORDS` puts the telemetry of that file
// and other records, reads back and provokes errors over HTTP/2 (what the SDK does by itself for Kinesis)
// and over HTTP/1.1.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import {
  CreateStreamCommand,
  DeleteStreamCommand,
  DescribeStreamSummaryCommand,
  GetRecordsCommand,
  GetShardIteratorCommand,
  InvalidArgumentException,
  KinesisClient,
  KinesisServiceException,
  ListShardsCommand,
  PutRecordCommand,
  PutRecordsCommand,
  RegisterStreamConsumerCommand,
  ResourceInUseException,
  ResourceNotFoundException,
  SplitShardCommand,
  SubscribeToShardCommand,
  ValidationException,
  paginateListStreams,
  waitUntilStreamExists,
} from "@aws-sdk/client-kinesis";
import { NodeHttp2Handler, NodeHttpHandler } from "@smithy/node-http-handler";

const [endpoint, recordsFile] = process.argv.slice(2);
const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = process.env;
const telemetry = readFileSync(recordsFile, "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => line.split("\t"))
  .map(([key, data]) => ({ key, data }));
const settings = {
  endpoint,
  region: "us-east-1",
  credentials: { accessKeyId, secretAccessKey },
  maxAttempts: 1,
};

// Everything that a shard holds, from its horizon to its tip.
async function readShard(client, stream, shard) {
  const begin = { StreamName: stream, ShardId: shard, ShardIteratorType: "TRIM_HORIZON" };
  let iterator = (await client.send(new GetShardIteratorCommand(begin))).ShardIterator;
  const records = [];
  while (iterator) {
    const page = await client.send(new GetRecordsCommand({ ShardIterator: iterator, Limit: 100 }));
    records.push(...page.Records);
    if (page.Records.length === 0 && page.MillisBehindLatest === 0) break;
    iterator = page.NextShardIterator;
  }
  return records;
}

async function streamsAndRecords(client, stream) {
  const begun = Date.now();
  await client.send(new CreateStreamCommand({ StreamName: stream, ShardCount: 3 }));
  await waitUntilStreamExists({ client, maxWaitTime: 20 }, { StreamName: stream });
  const { StreamDescriptionSummary: summary } = await client.send(
    new DescribeStreamSummaryCommand({ StreamName: stream }),
  );
  assert.equal(summary.StreamStatus, "ACTIVE");
  assert.equal(summary.OpenShardCount, 3);
  assert.ok(summary.StreamCreationTimestamp instanceof Date);
  assert.ok(Math.abs(summary.StreamCreationTimestamp.getTime() - begun) < 600_000);

  const put = new Map(); // "shard sequence number" → data
  const remember = (result, data) => put.set(`${result.ShardId} ${result.SequenceNumber}`, data);
  // Every byte value, and an empty record.
  for (const data of [Uint8Array.from({ length: 256 }, (_, i) => i), new Uint8Array()]) {
    const one = await client.send(
      new PutRecordCommand({ StreamName: stream, PartitionKey: "schlüssel", Data: data }),
    );
    remember(one, Buffer.from(data));
  }
  for (let batch = 0; batch < 3; ++batch) {
    const records = Array.from({ length: 200 }, (_, i) => ({
      PartitionKey: `key-${i % 37}`,
      Data: Buffer.from(`${stream} ${batch}-${i} ${"x".repeat(i)}`),
    }));
    const answer = await client.send(
      new PutRecordsCommand({ StreamName: stream, Records: records }),
    );
    assert.equal(answer.FailedRecordCount, 0);
    assert.equal(answer.Records.length, records.length);
    answer.Records.forEach((result, i) => remember(result, records[i].Data));
  }

  const { Shards: shards } = await client.send(new ListShardsCommand({ StreamName: stream }));
  assert.equal(shards.length, 3);
  const got = new Map();
  for (const { ShardId: shard } of shards) {
    let last = 0n;
    for (const record of await readShard(client, stream, shard)) {
      assert.ok(BigInt(record.SequenceNumber) > last, `${shard} is out of order`);
      last = BigInt(record.SequenceNumber);
      assert.ok(record.ApproximateArrivalTimestamp instanceof Date);
      got.set(`${shard} ${record.SequenceNumber}`, Buffer.from(record.Data));
    }
  }
  assert.equal(got.size, 602);
  assert.deepEqual(new Map([...got].sort()), new Map([...put].sort()));

  // A page at a time, and many requests at once.
  const names = [];
  for await (const page of paginateListStreams({ client, pageSize: 1 }, {}))
    names.push(...page.StreamNames);
  assert.ok(names.includes(stream), `${names}`);
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, i) =>
      client.send(
        new PutRecordCommand({ StreamName: stream, PartitionKey: `${i}`, Data: Buffer.from("x") }),
      ),
    ),
  );
  assert.equal(new Set(answers.map((a) => `${a.ShardId} ${a.SequenceNumber}`)).size, 50);
}

// Each record of real telemetry once, those of one key in their order.
async function telemetryInAndOut(client, stream) {
  await client.send(new CreateStreamCommand({ StreamName: stream, ShardCount: 3 }));
  for (let at = 0; at < telemetry.length; at += 500) {
    const records = telemetry
      .slice(at, at + 500)
      .map(({ key, data }) => ({ PartitionKey: key, Data: Buffer.from(data) }));
    const answer = await client.send(
      new PutRecordsCommand({ StreamName: stream, Records: records }),
    );
    assert.equal(answer.FailedRecordCount, 0);
  }
  const byKey = (records) =>
    records.reduce((map, { key, data }) => map.set(key, [...(map.get(key) ?? []), data]), new Map());
  const { Shards: shards } = await client.send(new ListShardsCommand({ StreamName: stream }));
  const found = [];
  for (const { ShardId: shard } of shards)
    for (const record of await readShard(client, stream, shard))
      found.push({ key: record.PartitionKey, data: Buffer.from(record.Data).toString() });
  assert.deepEqual(byKey(found), byKey(telemetry));
}

// A consumer's events: what is stored, then what is put meanwhile, then the end of a split shard.
async function subscription(client, stream) {
  await client.send(new CreateStreamCommand({ StreamName: stream, ShardCount: 1 }));
  const put = (data) =>
    client.send(
      new PutRecordCommand({ StreamName: stream, PartitionKey: "k", Data: Buffer.from(data) }),
    );
  await put("stored");
  const { Consumer: consumer } = await client.send(
    new RegisterStreamConsumerCommand({
      StreamARN: `arn:aws:kinesis:us-east-1:000000000000:stream/${stream}`,
      ConsumerName: "reader",
    }),
  );
  const { EventStream: events } = await client.send(
    new SubscribeToShardCommand({
      ConsumerARN: consumer.ConsumerARN,
      ShardId: "shardId-000000000000",
      StartingPosition: { Type: "TRIM_HORIZON" },
    }),
  );
  const got = [];
  let children = [];
  for await (const { SubscribeToShardEvent: event } of events) {
    got.push(...event.Records.map((record) => Buffer.from(record.Data).toString()));
    children = event.ChildShards ?? [];
    if (event.Records.length === 0) continue;
    if (got.length === 1) {
      await put("new");
    } else {
      const half = `${2n ** 127n}`;
      await client.send(
        new SplitShardCommand({
          StreamName: stream,
          ShardToSplit: "shardId-000000000000",
          NewStartingHashKey: half,
        }),
      );
    }
  }
  assert.deepEqual(got, ["stored", "new"]);
  assert.equal(children.length, 2);
}

async function errors(client, stream, requestHandler) {
  const record = { PartitionKey: "k", Data: new Uint8Array() };
  const refused = async (command, type, name, message, by = client) => {
    const error = await by.send(command).then(
      () => assert.fail(`${command.constructor.name} was to fail with ${name}`),
      (raised) => raised,
    );
    assert.ok(error instanceof type, `${error.constructor.name} (${error}) instead of ${type.name}`);
    assert.equal(error.name, name);
    assert.match(error.message, message);
    assert.equal(error.$metadata.httpStatusCode, 400);
    assert.match(error.$metadata.requestId, /^[0-9a-f-]{36}$/);
  };
  await refused(
    new CreateStreamCommand({ StreamName: stream, ShardCount: 1 }),
    ResourceInUseException,
    "ResourceInUseException",
    new RegExp(`${stream}.* already exists`),
  );
  await refused(
    new PutRecordCommand({ StreamName: "none", ...record }),
    ResourceNotFoundException,
    "ResourceNotFoundException",
    /^Stream none under account 000000000000 not found\.$/,
  );
  await refused(
    new PutRecordCommand({ StreamName: "a b", ...record }),
    ValidationException,
    "ValidationException",
    /^1 validation error detected: Value 'a b' at 'streamName' failed to satisfy constraint/,
  );
  await refused(
    new GetRecordsCommand({ ShardIterator: "made-up" }),
    InvalidArgumentException,
    "InvalidArgumentException",
    /iterator/i,
  );
  // Not in the model: the SDK knows only the base class for these.
  const strangers = [
    [{ region: "mars-1" }, "InvalidSignatureException", /'mars-1'.* Set the client's region/],
    [{ credentials: { accessKeyId, secretAccessKey: "another" } }, "InvalidSignatureException", /does not match/],
    [{ credentials: { accessKeyId: "nobody", secretAccessKey } }, "UnrecognizedClientException", /security token/],
  ];
  for (const [other, name, message] of strangers) {
    const stranger = new KinesisClient({ ...settings, requestHandler, ...other });
    await refused(
      new PutRecordCommand({ StreamName: stream, ...record }),
      KinesisServiceException,
      name,
      message,
      stranger,
    );
  }
  await client.send(new DeleteStreamCommand({ StreamName: stream }));
  await refused(
    new DescribeStreamSummaryCommand({ StreamName: stream }),
    ResourceNotFoundException,
    "ResourceNotFoundException",
    new RegExp(`Stream ${stream} `),
  );
}

const transports = {
  "HTTP/2": ["http2-default", undefined, NodeHttp2Handler],
  "HTTP/1.1": ["http1", new NodeHttpHandler(), NodeHttpHandler],
};
for (const [protocol, [name, requestHandler, expected]] of Object.entries(transports)) {
  const client = new KinesisClient({ ...settings, ...(requestHandler && { requestHandler }) });
  assert.ok(client.config.requestHandler instanceof expected, `${name} is not what it says`);
  await streamsAndRecords(client, name);
  await telemetryInAndOut(client, `${name}-telemetry`);
  await subscription(client, `${name}-subscription`);
  await errors(client, name, client.config.requestHandler);
  client.destroy();
  console.log(
    `ran: JSON over ${protocol} | ${telemetry.length} records of telemetry in and out, pages, 50 calls at once, ` +
      "a subscription across a split, error classes",
  );
}
