import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.List;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.cloudwatch.CloudWatchAsyncClient;
import software.amazon.awssdk.services.dynamodb.DynamoDbAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.kinesis.common.ConfigsBuilder;
import software.amazon.kinesis.common.InitialPositionInStream;
import software.amazon.kinesis.common.InitialPositionInStreamExtended;
import software.amazon.kinesis.common.KinesisClientUtil;
import software.amazon.kinesis.coordinator.Scheduler;
import software.amazon.kinesis.exceptions.InvalidStateException;
import software.amazon.kinesis.exceptions.ShutdownException;
import software.amazon.kinesis.lifecycle.events.InitializationInput;
import software.amazon.kinesis.lifecycle.events.LeaseLostInput;
import software.amazon.kinesis.lifecycle.events.ProcessRecordsInput;
import software.amazon.kinesis.lifecycle.events.ShardEndedInput;
import software.amazon.kinesis.lifecycle.events.ShutdownRequestedInput;
import software.amazon.kinesis.processor.RecordProcessorCheckpointer;
import software.amazon.kinesis.processor.ShardRecordProcessor;
import software.amazon.kinesis.processor.SingleStreamTracker;
import software.amazon.kinesis.retrieval.RetrievalSpecificConfig;
import software.amazon.kinesis.retrieval.fanout.FanOutConfig;
import software.amazon.kinesis.retrieval.polling.PollingConfig;

// The Kinesis Client Library, version 2 or 3: KclTest KINESIS DYNAMODB CLOUDWATCH STREAM runs two
// applications on the stream, "polling" and "fan-out", until its standard input ends. A line of what it
// prints is the application, "record", "ended" or "began", and the data of a record or the shard.
public class KclTest {
  public static void main(String[] arguments) throws Exception {
    URI dynamoDb = URI.create(arguments[1]);
    URI cloudWatch = URI.create(arguments[2]);
    String stream = arguments[3];
    KinesisAsyncClient kinesis =
        KinesisClientUtil.createKinesisAsyncClient(
            KinesisAsyncClient.builder()
                .endpointOverride(URI.create(arguments[0]))
                .region(Region.US_EAST_1));
    var leases =
        DynamoDbAsyncClient.builder().endpointOverride(dynamoDb).region(Region.US_EAST_1).build();
    var metrics =
        CloudWatchAsyncClient.builder()
            .endpointOverride(cloudWatch)
            .region(Region.US_EAST_1)
            .build();

    Scheduler polling =
        scheduler(
            "polling",
            new PollingConfig(stream, kinesis).idleTimeBetweenReadsInMillis(250),
            stream,
            kinesis,
            leases,
            metrics);
    Scheduler fanOut =
        scheduler(
            "fan-out",
            new FanOutConfig(kinesis).streamName(stream).applicationName("fan-out"),
            stream,
            kinesis,
            leases,
            metrics);
    var schedulers = List.of(polling, fanOut);
    var threads = schedulers.stream().map(Thread::new).toList();
    threads.forEach(Thread::start);
    while (System.in.read() >= 0) {}
    schedulers.forEach(Scheduler::shutdown);
    boolean ended = true;
    for (var thread : threads) {
      thread.join(30_000);
      ended &= !thread.isAlive();
    }
    System.exit(ended ? 0 : 1); // threads of its clients would go on
  }

  static Scheduler scheduler(
      String application,
      RetrievalSpecificConfig retrieval,
      String stream,
      KinesisAsyncClient kinesis,
      DynamoDbAsyncClient leases,
      CloudWatchAsyncClient metrics) {
    var start =
        InitialPositionInStreamExtended.newInitialPosition(InitialPositionInStream.TRIM_HORIZON);
    var configs =
        new ConfigsBuilder(
            new SingleStreamTracker(stream, start),
            application,
            kinesis,
            leases,
            metrics,
            "worker " + ProcessHandle.current().pid(),
            () -> new Printer(application));
    // The defaults are for streams that reshard once in a while, not every few seconds.
    var management = configs.leaseManagementConfig();
    management.failoverTimeMillis(3000).shardSyncIntervalMillis(500);
    Tuning.apply(management);
    return new Scheduler(
        configs.checkpointConfig(),
        configs
            .coordinatorConfig()
            .parentShardPollIntervalMillis(250)
            .shardConsumerDispatchPollIntervalMillis(250),
        management,
        configs.lifecycleConfig(),
        configs.metricsConfig().metricsBufferTimeMillis(2000),
        configs.processorConfig(),
        configs.retrievalConfig().retrievalSpecificConfig(retrieval));
  }

  static class Printer implements ShardRecordProcessor {
    private final String application;
    private String shard;

    Printer(String application) {
      this.application = application;
    }

    private void print(String what, Object of) {
      System.out.println(application + " " + what + " " + of);
    }

    @Override
    public void initialize(InitializationInput input) {
      shard = input.shardId();
      print("began", shard);
    }

    @Override
    public void processRecords(ProcessRecordsInput input) {
      for (var record : input.records()) {
        print("record", StandardCharsets.UTF_8.decode(record.data()));
      }
      checkpoint(input.checkpointer());
    }

    @Override
    public void leaseLost(LeaseLostInput input) {}

    @Override
    public void shardEnded(ShardEndedInput input) {
      print("ended", shard);
      checkpoint(input.checkpointer());
    }

    @Override
    public void shutdownRequested(ShutdownRequestedInput input) {
      checkpoint(input.checkpointer());
    }

    private void checkpoint(RecordProcessorCheckpointer checkpointer) {
      try {
        checkpointer.checkpoint();
      } catch (InvalidStateException e) {
        throw new IllegalStateException(e);
      } catch (ShutdownException e) {
        // The lease went to another worker, which reads these records again.
      }
    }
  }
}
