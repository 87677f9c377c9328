// DescribeAccountSettings and UpdateAccountSettings.
#include "kinesis/account_settings.h"

#include "kinesis/handlers.h"
#include "wire/kinesis_shapes.h"

namespace spillway::kinesis {

namespace {

// How long a commitment lasts at least, under AWS's limits: disabled earlier, it ends then.
constexpr auto kCommitmentMin = std::chrono::hours(24);

std::string_view to_string(Commitment commitment) {
  switch (commitment) {
    case Commitment::kDisabled:
      return "DISABLED";
    case Commitment::kEnabled:
      return "ENABLED";
    case Commitment::kEnabledUntilEarliestEnd:
      return "ENABLED_UNTIL_EARLIEST_ALLOWED_END";
  }
  return "";
}

Reply describe(Service& service, Call& call, const stream::AccountSettings& account) {
  const auto commitment = commitment_of(service, account, service.now());
  wire::DocumentWriter document(call.format);
  document.open_map().key("MinimumThroughputBillingCommitment").open_map();
  document.text("Status", to_string(commitment));
  if (commitment != Commitment::kDisabled) {
    document.time("StartedAt", account.commitment_began_at);
    if (service.options().limits == Limits::kAws)
      document.time("EarliestAllowedEndAt", account.commitment_began_at + kCommitmentMin);
  }
  document.close_map().close_map();
  return reply_with(std::move(document));
}

// Why the commitment can't end: warm throughput is a part of it.
std::optional<Reply> still_warm(const stream::Catalog& catalog) {
  const auto warm = std::ranges::find_if(catalog.streams, [](const auto& entry) {
    return entry.second->warm_throughput_mibps.has_value();
  });
  if (warm == catalog.streams.end()) return std::nullopt;
  return error_reply(
      ApiError::kInvalidArgument,
      fmt::format("MinimumThroughputBillingCommitment cannot be disabled while stream "
                  "{} has warm throughput.",
                  warm->first));
}

}  // namespace

Commitment commitment_of(const Service& service, const stream::AccountSettings& account,
                         WallTime now) {
  if (account.throughput_commitment) return Commitment::kEnabled;
  const bool held = service.options().limits == Limits::kAws &&
                    account.commitment_began_at != WallTime{} &&
                    account.commitment_began_at + kCommitmentMin > now;
  return held ? Commitment::kEnabledUntilEarliestEnd : Commitment::kDisabled;
}

Task<Reply> describe_account_settings(Service& service, Call& call) {
  auto input = read_input(service, call, wire::kinesis::kDescribeAccountSettingsInput);
  if (input.refusal) co_return std::move(*input.refusal);
  co_return describe(service, call, service.engine().catalog()->account);
}

Task<Reply> update_account_settings(Service& service, Call& call) {
  auto input = read_input(service, call, wire::kinesis::kUpdateAccountSettingsInput);
  if (input.refusal) co_return std::move(*input.refusal);
  const bool wanted = input.value["MinimumThroughputBillingCommitment"]["Status"].text == "ENABLED";
  const WallTime now = service.now();
  stream::AccountSettings account;
  std::optional<Reply> refusal;
  auto awaiter = on_loop<Result<stream::CatalogRef>>(call.loop, [&](auto done) {
    service.engine().update_catalog(
        [&](const stream::Catalog& catalog) -> Result<stream::CatalogChange> {
          account = catalog.account;
          if (!wanted && account.throughput_commitment) refusal = still_warm(catalog);
          if (refusal) return Error{ErrorCode::kInvalid, ""};
          // One that is only held goes on where it began.
          if (wanted && commitment_of(service, account, now) == Commitment::kDisabled)
            account.commitment_began_at = now;
          account.throughput_commitment = wanted;
          stream::CatalogChange change;
          change.account = account;
          return change;
        },
        std::move(done));
  });
  auto changed = co_await awaiter;
  if (refusal) co_return std::move(*refusal);
  if (!changed.ok()) co_return engine_reply(changed.error(), call.operation);
  co_return describe(service, call, account);
}

}  // namespace spillway::kinesis
