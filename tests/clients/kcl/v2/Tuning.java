import software.amazon.kinesis.leases.LeaseManagementConfig;

// What KCL 2 can be told to do sooner.
class Tuning {
  static void apply(LeaseManagementConfig management) {
    management.maxLeasesToStealAtOneTime(8);
  }
}
