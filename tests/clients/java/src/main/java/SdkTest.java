import java.math.BigInteger;
import java.net.URI;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.TimeUnit;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisClient;
import software.amazon.awssdk.services.kinesis.model.*;
import software.amazon.awssdk.services.kinesis.model.Record;

// The AWS SDK for Java v2, which speaks CBOR: sync over HTTP/1.1, async over HTTP/2.
// SdkTest ENDPOINT RECORDS puts the telemetry of that file, reads it back, subscribes across a split.
public class SdkTest {
  static final String STREAM = "java";

  public static void main(String[] arguments) throws Exception {
    URI endpoint = URI.create(arguments[0]);
    List<Telemetry> records = Telemetry.read(arguments[1]);
    try (KinesisClient sync = KinesisClient.builder().endpointOverride(endpoint).build();
        KinesisAsyncClient async = KinesisAsyncClient.builder().endpointOverride(endpoint).build()) {
      sync.createStream(b -> b.streamName(STREAM).shardCount(2));
      sync.waiter().waitUntilStreamExists(b -> b.streamName(STREAM));
      put(sync, async, records);
      var shards = sync.listShards(b -> b.streamName(STREAM)).shards();
      var wanted = Telemetry.byKey(records);
      check(Telemetry.byKey(read(sync, async, shards)).equals(wanted), "GetRecords gave others");
      error(sync);
      check(Telemetry.byKey(subscribe(sync, async, shards)).equals(wanted), "events gave others");
      sync.deleteStream(b -> b.streamName(STREAM).enforceConsumerDeletion(true));
    }
    String security = endpoint.getScheme().equals("https") ? " in TLS" : "";
    System.out.printf(
        "ran: CBOR over HTTP/1.1 (sync) and HTTP/2 (async)%s | %d records of telemetry in and out,"
            + " SubscribeToShard across a split, waiters, errors%n",
        security, records.size());
  }

  // In turns by both clients.
  static void put(KinesisClient sync, KinesisAsyncClient async, List<Telemetry> records)
      throws Exception {
    for (int at = 0; at < records.size(); at += 300) {
      List<PutRecordsRequestEntry> entries = new ArrayList<>();
      for (var record : records.subList(at, Math.min(at + 300, records.size()))) {
        entries.add(
            PutRecordsRequestEntry.builder()
                .partitionKey(record.key())
                .data(SdkBytes.fromUtf8String(record.data()))
                .build());
      }
      var request = PutRecordsRequest.builder().streamName(STREAM).records(entries).build();
      var answer =
          at % 600 == 0
              ? sync.putRecords(request)
              : async.putRecords(request).get(20, TimeUnit.SECONDS);
      check(answer.failedRecordCount() == 0, "records failed");
    }
  }

  static Telemetry telemetry(Record record) {
    return new Telemetry(record.partitionKey(), record.data().asUtf8String());
  }

  static List<Telemetry> read(KinesisClient sync, KinesisAsyncClient async, List<Shard> shards)
      throws Exception {
    List<Telemetry> got = new ArrayList<>();
    for (var shard : shards) {
      String iterator =
          sync.getShardIterator(
                  b ->
                      b.streamName(STREAM)
                          .shardId(shard.shardId())
                          .shardIteratorType(ShardIteratorType.TRIM_HORIZON))
              .shardIterator();
      while (true) {
        final String at = iterator;
        var page = async.getRecords(b -> b.shardIterator(at).limit(300)).get(20, TimeUnit.SECONDS);
        for (var record : page.records()) {
          got.add(telemetry(record));
          var arrived = record.approximateArrivalTimestamp();
          long age = System.currentTimeMillis() - arrived.toEpochMilli();
          check(Math.abs(age) < 600_000, "arrived " + arrived);
        }
        if (page.records().isEmpty() && page.millisBehindLatest() == 0) break;
        iterator = page.nextShardIterator();
      }
    }
    return got;
  }

  static void error(KinesisClient sync) {
    try {
      sync.describeStreamSummary(b -> b.streamName("none"));
      check(false, "a stream that doesn't exist was described");
    } catch (ResourceNotFoundException expected) {
      check(expected.getMessage().contains("Stream none under account"), expected.getMessage());
    }
  }

  // Every shard's events up to its end: each is split at the first of them.
  static List<Telemetry> subscribe(
      KinesisClient sync, KinesisAsyncClient async, List<Shard> shards) throws Exception {
    String stream =
        sync.describeStreamSummary(b -> b.streamName(STREAM)).streamDescriptionSummary().streamARN();
    String consumer =
        sync.registerStreamConsumer(b -> b.streamARN(stream).consumerName("reader"))
            .consumer()
            .consumerARN();
    List<Telemetry> got = Collections.synchronizedList(new ArrayList<>());
    for (var shard : shards) {
      List<ChildShard> children = Collections.synchronizedList(new ArrayList<>());
      int before = got.size();
      var visitor =
          SubscribeToShardResponseHandler.Visitor.builder()
              .onSubscribeToShardEvent(
                  event -> {
                    if (got.size() == before && !event.records().isEmpty()) {
                      async.splitShard(
                          b ->
                              b.streamName(STREAM)
                                  .shardToSplit(shard.shardId())
                                  .newStartingHashKey(middle(shard.hashKeyRange())));
                    }
                    event.records().forEach(record -> got.add(telemetry(record)));
                    children.addAll(event.childShards());
                  })
              .build();
      async
          .subscribeToShard(
              b ->
                  b.consumerARN(consumer)
                      .shardId(shard.shardId())
                      .startingPosition(p -> p.type(ShardIteratorType.TRIM_HORIZON)),
              SubscribeToShardResponseHandler.builder().subscriber(visitor).build())
          .get(60, TimeUnit.SECONDS);
      check(children.size() == 2, "children: " + children);
    }
    return got;
  }

  static String middle(HashKeyRange range) {
    var low = new BigInteger(range.startingHashKey());
    return low.add(new BigInteger(range.endingHashKey())).shiftRight(1).toString();
  }

  static void check(boolean holds, String what) {
    if (!holds) throw new AssertionError(what);
  }
}
