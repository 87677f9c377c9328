import com.google.common.util.concurrent.ListenableFuture;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import software.amazon.kinesis.producer.KinesisProducer;
import software.amazon.kinesis.producer.KinesisProducerConfiguration;
import software.amazon.kinesis.producer.UserRecordResult;

// The Kinesis Producer Library: its native daemon puts aggregates over TLS, and asks STS (the same
// endpoint) for its account. KplTest PORT STREAM RECORDS puts the telemetry of that file.
public class KplTest {
  public static void main(String[] arguments) throws Exception {
    long port = Long.parseLong(arguments[0]);
    // It can't be given an authority for certificates alone; whether it is checked is its own affair.
    var configuration =
        new KinesisProducerConfiguration()
            .setRegion("us-east-1")
            .setKinesisEndpoint("localhost")
            .setKinesisPort(port)
            .setStsEndpoint("localhost")
            .setStsPort(port)
            .setVerifyCertificate(false)
            .setMetricsLevel("none")
            .setRecordMaxBufferedTime(100);
    var producer = new KinesisProducer(configuration);
    List<ListenableFuture<UserRecordResult>> results = new ArrayList<>();
    for (var record : Telemetry.read(arguments[2])) {
      var data = ByteBuffer.wrap(record.data().getBytes(StandardCharsets.UTF_8));
      results.add(producer.addUserRecord(arguments[1], record.key(), data));
    }
    producer.flushSync();
    for (var result : results) {
      if (!result.get().isSuccessful()) throw new AssertionError(result.get().getAttempts());
    }
    producer.destroy();
    System.exit(0); // its threads would go on
  }
}
