// What the subcommands share that speak to a process's admin port.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "client/endpoint.h"
#include "wire/http_client.h"

namespace spillway::cli {

// Of "HOST:PORT".
Result<client::Endpoint> admin_endpoint(std::string_view address);

// One request, waited for; its body, where it has one, is JSON. kNotFound: nothing answers at that
// address; kIo: what does gave no answer.
Result<wire::ClientResponse> call_admin(const std::string& address, std::string method,
                                        std::string target, std::string body = {});

}  // namespace spillway::cli
