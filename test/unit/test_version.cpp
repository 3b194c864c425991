// SPDX-License-Identifier: Apache-2.0
#include <aya/version.hpp>

#include <doctest/doctest.h>

#include <string>

TEST_CASE("version: the library's is that of the headers") {
    std::string const of_headers = std::to_string(AYA_VERSION_MAJOR) + "." + std::to_string(AYA_VERSION_MINOR) + "." +
                                   std::to_string(AYA_VERSION_PATCH);
    CHECK(aya::version() == of_headers);
}
