"""OTLP over HTTP into the broker: OpenTelemetry's own exporters, and what no exporter sends. What is answered
with 200 is durable, over SIGKILL, and reaches the region as docs/formats/otlp-records.md says.
"""

import base64
import contextlib
import gzip
import json
import os
import pathlib
import subprocess
import sys
import time

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from inputs_test import Inputs, example, expect, make_key, records_in  # noqa: E402
from region import BINARY, Region, run_tests, wait_until  # noqa: E402

PROTOBUF, JSON = "application/x-protobuf", "application/json"
SHOP = Resource({"service.name": "shop", "service.instance.id": "i-7"})


def logs(*bodies, service="shop"):
    """An ExportLogsServiceRequest."""
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    attribute = resource.resource.attributes.add()
    attribute.key, attribute.value.string_value = "service.name", service
    scope = resource.scope_logs.add()
    for body in bodies:
        scope.log_records.add().body.string_value = body
    return request


class OtlpBroker(Inputs):
    def send(self, body, path="/v1/logs", method="POST", **headers):
        """Status, headers and bytes of the answer."""
        headers = {"Content_Type": PROTOBUF} | headers
        return self.exchange(self.otlp, body, path, method, headers)


@contextlib.contextmanager
def environment(**variables):
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def test_exporters_send_logs_metrics_and_traces(directory):
    with Region() as region:
        broker = OtlpBroker(directory, region)
        broker.start()
        # Nothing else is set, as in a service that is only told where to send.
        with environment(OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{broker.otlp}"):
            logging = LoggerProvider(resource=SHOP)
            logging.add_log_record_processor(SimpleLogRecordProcessor(OTLPLogExporter()))
            log = logging.get_logger("till", "2.0")
            for number in range(100):
                log.emit(body=f"sold {number}", severity_text="INFO", attributes={"number": number, "tags": ["a", "b"]})
            logging.shutdown()

            tracing = TracerProvider(resource=SHOP)
            tracing.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(compression=Compression.Gzip)))
            with tracing.get_tracer("till").start_as_current_span("sell") as parent:
                with tracing.get_tracer("till").start_as_current_span("pay") as child:
                    child.add_event("paid", {"cents": 250})
            tracing.shutdown()

            metering = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())], resource=SHOP)
            meter = metering.get_meter("till")
            meter.create_counter("sold", unit="1").add(3, {"item": "bread"})
            meter.create_histogram("price").record(2.5)
            metering.shutdown()
        broker.stop()

        found = records_in(region, "otlp-logs")
        expect({key for key, _ in found} == {"shop/i-7"}, "one key")
        found = [json.loads(data) for _, data in found]
        expect([record["body"] for record in found] == [f"sold {number}" for number in range(100)], "all, in order")
        first = found[0]
        expect(first["attributes"] == {"number": 0, "tags": ["a", "b"]} and first["severityText"] == "INFO"
               and first["scope"] == {"name": "till", "version": "2.0"}
               and first["resource"]["attributes"] == dict(SHOP.attributes), first)

        spans = {span["name"]: span for span in (json.loads(data) for _, data in records_in(region, "otlp-traces"))}
        expect(sorted(spans) == ["pay", "sell"], spans)
        pay = spans["pay"]
        expect(pay["traceId"] == f"{child.get_span_context().trace_id:032x}"
               and pay["parentSpanId"] == f"{parent.get_span_context().span_id:016x}"
               and pay["startTimeUnixNano"] == str(child.start_time), pay)
        expect(pay["events"][0]["name"] == "paid" and pay["events"][0]["attributes"] == {"cents": 250}, pay)

        points = {point["name"]: point for point in (json.loads(data) for _, data in records_in(region, "otlp-metrics"))}
        expect(points["sold"]["type"] == "sum" and points["sold"]["asInt"] == 3 and points["sold"]["isMonotonic"]
               and points["sold"]["attributes"] == {"item": "bread"}, points)
        expect(points["price"]["type"] == "histogram" and points["price"]["count"] == 1
               and points["price"]["sum"] == 2.5 and sum(points["price"]["bucketCounts"]) == 1, points)


def test_an_exporter_with_an_access_key(directory):
    with Region() as region:
        broker = OtlpBroker(directory, region)
        broker.start()
        key = make_key(broker)
        for encoding, message in ((PROTOBUF, lambda answer: answer[2:].decode()),
                                  (JSON, lambda answer: json.loads(answer)["message"])):
            status, headers, answer = broker.send(b"", Content_Type=encoding)
            expect(status == 401 and headers["WWW-Authenticate"].startswith("Basic "), status, headers)
            expect(headers["Content-Type"] == encoding and "access key" in message(answer), answer)
        script, _ = example("otlp-key", by="otlp_test.py")
        script = script.replace("4318", str(broker.otlp)).replace("spillway-data/broker", broker.settings["data"])
        ran = subprocess.run(["bash", "-euc", script + "env --null"], capture_output=True, text=True, timeout=60,
                             env=os.environ | key, check=True)
        exported = dict(line.split("=", 1) for line in ran.stdout.split("\0") if line.startswith("OTEL_"))
        expect(len(exported) == 3, exported)
        with environment(**exported):
            for bundle in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
                os.environ.pop(bundle, None)  # they win over what the exporter is told
            logging = LoggerProvider(resource=SHOP)
            logging.add_log_record_processor(SimpleLogRecordProcessor(OTLPLogExporter()))
            logging.get_logger("till").emit(body="by a known one")
            logging.shutdown()
        broker.stop()
        found = [json.loads(data)["body"] for _, data in records_in(region, "otlp-logs")]
        expect(found == ["by a known one"], found)


def test_what_is_answered_is_durable(directory):
    region = Region()
    broker = OtlpBroker(directory, region)
    sent = []
    for start in range(3):
        broker.start()
        for request in range(10):
            bodies = [f"{start}-{request}-{number}" for number in range(100)]
            status, headers, answer = broker.send(gzip.compress(logs(*bodies).SerializeToString()),
                                                  Content_Encoding="gzip")
            expect((status, headers["Content-Type"], answer) == (200, PROTOBUF, b""), status, answer)
            sent += bodies
        expect(broker.count("records", "otlp") == 1000, broker.count("records", "otlp"))
        broker.kill()
    broker.start()
    with region:
        wait_until(lambda: broker.held() == 0, 60)
        found = [json.loads(data)["body"] for _, data in records_in(region, "otlp-logs")]
        expect(found == sent, "all, once, in order")
        broker.stop()


def test_what_is_too_large_is_told_and_the_rest_taken(directory):
    with Region() as region:
        broker = OtlpBroker(directory, region)
        broker.start()
        request = logs("before", "x" * (1 << 20), "after")
        status, _, answer = broker.send(request.SerializeToString())
        told = ExportLogsServiceResponse.FromString(answer).partial_success
        expect(status == 200 and told.rejected_log_records == 1 and "1 MiB" in told.error_message, status, told)
        record = {"body": {"stringValue": "x" * (1 << 20)}}
        document = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record, {"body": {"intValue": "7"}}]}]}]}
        status, headers, answer = broker.send(json.dumps(document), Content_Type=JSON)
        expect(status == 200 and headers["Content-Type"] == JSON, status)
        expect(json.loads(answer)["partialSuccess"]["rejectedLogRecords"] == "1", answer)
        expect(broker.count("malformed_records", "otlp") == 2, broker.count("malformed_records", "otlp"))
        broker.stop()
        found = [json.loads(data)["body"] for _, data in records_in(region, "otlp-logs")]
        expect(sorted(found, key=str) == [7, "after", "before"], found)


def test_a_bench_of_logs_counts_what_the_spool_has(directory):
    broker = OtlpBroker(directory, Region(), drain_seconds="0")
    broker.start()

    def load(*options):
        ended = subprocess.run([BINARY, "bench", "otlp-logs", "--endpoint", f"http://127.0.0.1:{broker.otlp}",
                                "--connections", "2", "--warm-up", "0s", "--duration", "1s", "--json", *options],
                               capture_output=True, text=True, timeout=60, check=False)
        found = json.loads(ended.stdout)
        expect(found["errors"] == 0, ended)
        return found

    found = load("--records-per-request", "1", "--record-bytes", str(11 << 17))
    expect(found["records"] == 0 < found["failed_records"], found)
    expect(broker.count("records", "otlp") == 0, "they were too large")
    found = load("--records-per-request", "20", "--record-bytes", "300")
    # Requests that are under way at its end aren't counted.
    stored = broker.count("records", "otlp")
    expect(0 < found["records"] <= stored <= found["records"] + 2 * 20, found, stored)
    broker.stop()


def test_what_no_exporter_sends_is_refused_whole(directory):
    broker = OtlpBroker(directory, Region(), drain_seconds="0")
    broker.start()
    whole = logs("one", "two").SerializeToString()
    deep = '{"intValue":"1"}'
    for _ in range(100):
        deep = '{"arrayValue":{"values":[' + deep + "]}}"
    deep = '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":%s}]}]}]}' % deep
    wrong = '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{},{"severityNumber":"INFO"}]}]}]}'
    for wanted, body, headers in (
            (400, whole[:-1], {}), (400, b"\xff", {}), (400, "{}", {}),
            (400, "[]", {"Content_Type": JSON}), (400, "{", {"Content_Type": JSON}),
            (400, deep, {"Content_Type": JSON}), (400, wrong, {"Content_Type": JSON}),
            (400, whole, {"Content_Encoding": "gzip"}),
            (413, gzip.compress(bytes(17 << 20)), {"Content_Encoding": "gzip"}),
            (415, whole, {"Content_Type": "text/plain"}), (415, whole, {"Content_Encoding": "zstd"})):
        status, _, answer = broker.send(body, **headers)
        expect(status == wanted and answer, wanted, status, answer)
    expect(broker.send(whole, "/v1/profiles")[0] == 404, "another path")
    expect(broker.send(None, method="GET")[0] == 405, "GET")
    expect("cut short" in broker.send(whole[:-1])[2][2:].decode(), "the reason")
    expect(json.loads(broker.send(wrong, Content_Type=JSON)[2])["message"].startswith("severityNumber"), "the reason")
    expect(broker.count("records", "otlp") == 0, "nothing was taken")
    expect(broker.count("malformed_records", "otlp") == 9, broker.count("malformed_records", "otlp"))
    broker.stop()


def test_a_full_spool_is_told_so_that_exporters_try_again(directory):
    region = Region()
    broker = OtlpBroker(directory, region, spool_mib="256")
    broker.start()
    bodies = [base64.b64encode(os.urandom(750_000)).decode() for _ in range(12)]
    request = logs(*bodies).SerializeToString()
    for _ in range(100):
        status, headers, answer = broker.send(request)
        if status != 200:
            break
    expect(status == 503 and headers["Retry-After"] == "1" and b"full" in answer, status, answer)
    refused = broker.count("refused_records", "otlp")
    expect(refused > 0, refused)
    logging = LoggerProvider(resource=SHOP)
    logging.add_log_record_processor(SimpleLogRecordProcessor(
        OTLPLogExporter(endpoint=f"http://127.0.0.1:{broker.otlp}/v1/logs", timeout=120)))
    started = time.monotonic()
    with region:
        # It has the answer that the spool is full, and sends again until there is room.
        logging.get_logger("till").emit(body="patient")
        expect(time.monotonic() - started < 120, "it gave up")
        wait_until(lambda: broker.held() == 0, 60)
        logging.shutdown()
        broker.stop()
        found = [json.loads(data)["body"] for _, data in records_in(region, "otlp-logs")]
        expect(found.count("patient") == 1, len(found))


if __name__ == "__main__":
    run_tests(globals(), sys.argv[1:])
