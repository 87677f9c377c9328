import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

// The records that the tests' clients put: a line each of their file, the key, a tab and the data.
record Telemetry(String key, String data) {
  static List<Telemetry> read(String file) throws IOException {
    List<Telemetry> records = new ArrayList<>();
    for (String line : Files.readAllLines(Path.of(file))) {
      String[] parts = line.split("\t", 2);
      records.add(new Telemetry(parts[0], parts[1]));
    }
    return records;
  }

  // The data of each key, in order: what a reader of any number of shards has to find.
  static Map<String, List<String>> byKey(List<Telemetry> records) {
    Map<String, List<String>> keys = new LinkedHashMap<>();
    for (var record : records) {
      keys.computeIfAbsent(record.key(), key -> new ArrayList<>()).add(record.data());
    }
    return keys;
  }
}
