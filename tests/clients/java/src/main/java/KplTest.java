import com.google.common.util.concurrent.ListenableFuture;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.kinesis.producer.KinesisProducer;
import software.amazon.kinesis.producer.KinesisProducerConfiguration;
import software.amazon.kinesis.producer.UserRecordResult;

// The Kinesis Producer Library: its native daemon puts aggregates over TLS, and asks STS (the same
// endpoint) for its account. KplTest PORT STREAM COUNT ACCESS_KEY SECRET_KEY puts "record 0" to
// "record COUNT-1".
public class KplTest {
  public static void main(String[] arguments) throws Exception {
    long port = Long.parseLong(arguments[0]);
    var credentials = AwsBasicCredentials.create(arguments[3], arguments[4]);
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
            .setRecordMaxBufferedTime(100)
            .setCredentialsProvider(StaticCredentialsProvider.create(credentials));
    var producer = new KinesisProducer(configuration);
    List<ListenableFuture<UserRecordResult>> results = new ArrayList<>();
    for (int i = 0; i < Integer.parseInt(arguments[2]); ++i) {
      var data = ByteBuffer.wrap(("record " + i).getBytes(StandardCharsets.UTF_8));
      results.add(producer.addUserRecord(arguments[1], "key " + i % 50, data));
    }
    producer.flushSync();
    for (var result : results) {
      if (!result.get().isSuccessful()) throw new AssertionError(result.get().getAttempts());
    }
    producer.destroy();
    System.exit(0);  // its threads would go on
  }
}
