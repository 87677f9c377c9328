import java.util.Properties;
import org.apache.flink.api.common.serialization.SimpleStringSchema;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.connectors.kinesis.FlinkKinesisConsumer;

// Flink's source: FlinkTest ENDPOINT STREAM reads that stream until it is killed, both ways. A line of what
// it prints is "POLLING" or "EFO", and the data of a record.
public class FlinkTest {
  public static void main(String[] arguments) throws Exception {
    var environment = StreamExecutionEnvironment.createLocalEnvironment(1);
    for (String how : new String[] {"POLLING", "EFO"}) {
      var settings = new Properties();
      settings.setProperty("aws.endpoint", arguments[0]);
      settings.setProperty("aws.region", "us-east-1");
      settings.setProperty("flink.stream.initpos", "TRIM_HORIZON");
      settings.setProperty("flink.shard.discovery.intervalmillis", "1000");
      settings.setProperty("flink.stream.recordpublisher", how);
      settings.setProperty("flink.stream.efo.consumername", "flink");
      var source = new FlinkKinesisConsumer<>(arguments[1], new SimpleStringSchema(), settings);
      environment.addSource(source).map(data -> how + " " + data).print();
    }
    environment.execute();
  }
}
