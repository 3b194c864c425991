// SPDX-License-Identifier: Apache-2.0
// File names as text: bytes in, JSON or something a terminal can show out.
#pragma once

#include <string>
#include <string_view>

namespace duplicates {

// Appends bytes as a JSON string. Bytes that are not UTF-8 become lone surrogates \udc80..\udcff, as Python's
// "surrogateescape" writes them: os.fsencode(json.loads(line)["paths"][0]) gives the very bytes back.
void append_json(std::string& out, std::string_view bytes);

// Appends bytes for a message: control characters and bytes that are not UTF-8 are escaped.
void append_quoted(std::string& out, std::string_view bytes);

}  // namespace duplicates
