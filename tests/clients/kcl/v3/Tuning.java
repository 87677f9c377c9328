import software.amazon.kinesis.leases.LeaseManagementConfig;

// What KCL 3 can be told to do sooner, and not to look for: the address of EC2's metadata.
class Tuning {
  static void apply(LeaseManagementConfig management) {
    management
        .leaseAssignmentIntervalMillis(1000L)
        .dynamoDbLockBasedLeaderLeaseDurationInMillis(6000)
        .dynamoDbLockBasedLeaderHeartbeatPeriodInMillis(1000);
    management
        .workerUtilizationAwareAssignmentConfig()
        .disableWorkerMetrics(true)
        .inMemoryWorkerMetricsCaptureFrequencyMillis(500)
        .workerMetricsReporterFreqInMillis(1000);
  }
}
