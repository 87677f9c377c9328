import java.net.URI;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.TimeUnit;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisClient;
import software.amazon.awssdk.services.kinesis.model.*;

// The AWS SDK for Java v2, which speaks CBOR: sync over HTTP/1.1, async over HTTP/2.
// SdkTest ENDPOINT ACCESS_KEY SECRET_KEY
public class SdkTest {
  static final String STREAM = "java";
  static final String SHARD = "shardId-000000000000";

  public static void main(String[] arguments) throws Exception {
    URI endpoint = URI.create(arguments[0]);
    var credentials =
        StaticCredentialsProvider.create(AwsBasicCredentials.create(arguments[1], arguments[2]));
    try (KinesisClient sync =
            KinesisClient.builder()
                .endpointOverride(endpoint)
                .region(Region.US_EAST_1)
                .credentialsProvider(credentials)
                .build();
        KinesisAsyncClient async =
            KinesisAsyncClient.builder()
                .endpointOverride(endpoint)
                .region(Region.US_EAST_1)
                .credentialsProvider(credentials)
                .build()) {
      sync.createStream(b -> b.streamName(STREAM).shardCount(1));
      sync.waiter().waitUntilStreamExists(b -> b.streamName(STREAM));
      List<String> put = put(sync, async);
      check(read(sync, async, put.size()).equals(put), "GetRecords gave other records");
      error(sync);
      subscribe(sync, async, put);
      sync.deleteStream(b -> b.streamName(STREAM).enforceConsumerDeletion(true));
    }
    System.out.println("AWS SDK for Java v2 over " + endpoint.getScheme() + ": right");
  }

  static List<String> put(KinesisClient sync, KinesisAsyncClient async) throws Exception {
    List<String> put = new ArrayList<>();
    for (int batch = 0; batch < 10; ++batch) {
      List<PutRecordsRequestEntry> entries = new ArrayList<>();
      for (int i = 0; i < 200; ++i) {
        String data = batch + "-" + i + "-" + "x".repeat(i);
        put.add(data);
        entries.add(
            PutRecordsRequestEntry.builder()
                .partitionKey("schlüssel " + i)
                .data(SdkBytes.fromUtf8String(data))
                .build());
      }
      var request = PutRecordsRequest.builder().streamName(STREAM).records(entries).build();
      var answer =
          batch % 2 == 0
              ? sync.putRecords(request)
              : async.putRecords(request).get(20, TimeUnit.SECONDS);
      check(answer.failedRecordCount() == 0, "records failed");
    }
    return put;
  }

  static List<String> read(KinesisClient sync, KinesisAsyncClient async, int count)
      throws Exception {
    String iterator =
        sync.getShardIterator(
                b ->
                    b.streamName(STREAM)
                        .shardId(SHARD)
                        .shardIteratorType(ShardIteratorType.TRIM_HORIZON))
            .shardIterator();
    List<String> got = new ArrayList<>();
    while (got.size() < count) {
      final String at = iterator;
      var page =
          async.getRecords(b -> b.shardIterator(at).limit(300)).get(20, TimeUnit.SECONDS);
      for (var record : page.records()) {
        got.add(record.data().asUtf8String());
        long age = System.currentTimeMillis() - record.approximateArrivalTimestamp().toEpochMilli();
        check(Math.abs(age) < 600_000, "arrived " + record.approximateArrivalTimestamp());
      }
      iterator = page.nextShardIterator();
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

  // What is stored, then the end of the shard, which is split meanwhile.
  static void subscribe(KinesisClient sync, KinesisAsyncClient async, List<String> put)
      throws Exception {
    String stream =
        sync.describeStreamSummary(b -> b.streamName(STREAM)).streamDescriptionSummary().streamARN();
    String consumer =
        sync.registerStreamConsumer(b -> b.streamARN(stream).consumerName("reader"))
            .consumer()
            .consumerARN();
    List<String> got = Collections.synchronizedList(new ArrayList<>());
    List<ChildShard> children = Collections.synchronizedList(new ArrayList<>());
    var visitor =
        SubscribeToShardResponseHandler.Visitor.builder()
            .onSubscribeToShardEvent(
                event -> {
                  event.records().forEach(record -> got.add(record.data().asUtf8String()));
                  children.addAll(event.childShards());
                  if (!event.records().isEmpty() && got.size() == put.size()) {
                    async.splitShard(
                        b -> b.streamName(STREAM).shardToSplit(SHARD).newStartingHashKey("1000"));
                  }
                })
            .build();
    async
        .subscribeToShard(
            b ->
                b.consumerARN(consumer)
                    .shardId(SHARD)
                    .startingPosition(p -> p.type(ShardIteratorType.TRIM_HORIZON)),
            SubscribeToShardResponseHandler.builder().subscriber(visitor).build())
        .get(60, TimeUnit.SECONDS);
    check(got.equals(put), "SubscribeToShard gave other records");
    check(children.size() == 2, "children: " + children);
  }

  static void check(boolean holds, String what) {
    if (!holds) throw new AssertionError(what);
  }
}
