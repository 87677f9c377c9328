// What puts ask and are answered, in the formats that the API has for it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/shared_bytes.h"
#include "client/kinesis_client.h"
#include "client/kinesis_json.h"
#include "wire/document_writer.h"

namespace spillway::client {

// Request bodies; that of PutRecords has those of the entries that `which` names.
SharedBytes put_record_body(std::string_view stream, const PutEntry& entry);
SharedBytes put_records_body(std::string_view stream, std::span<const PutEntry> entries,
                             std::span<const std::size_t> which, wire::Format format);

// An answer of PutRecords; kCorrupt where it is none. `format` isn't kRpcCbor.
Result<std::vector<PutOutcome>> read_put_outcomes(const std::string& body, wire::Format format);
// An error in CBOR, as parse_api_error() reads one in JSON.
ApiError read_cbor_error(std::string_view body);

}  // namespace spillway::client
