// Text of others, made safe to print: a record may hold what makes a terminal do things.
#pragma once

#include <string>
#include <string_view>

namespace spillway::cli {

bool is_utf8(std::string_view text);

// On one line: control characters and bytes that are no UTF-8 as \x1b (but \n, \r and \t),
// characters that reorder or break text as \u{202e}. A backslash stays: what is shown can be
// ambiguous, and JSON stays readable.
std::string printable(std::string_view text);

// Appends `text` (UTF-8) as a JSON string, with the characters that printable() escapes escaped.
void append_json_text(std::string& json, std::string_view text);
// Appends `,"name":"text"`, without the comma behind a `{`. `name` needs no escapes.
void append_json_member(std::string& json, std::string_view name, std::string_view text);

// Writes to standard output, and through. False where its reader is gone, or the disk is full: then
// errno says which (EPIPE).
bool write_out(std::string_view text);

}  // namespace spillway::cli
