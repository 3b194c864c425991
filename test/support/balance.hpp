// SPDX-License-Identifier: Apache-2.0
// Nothing is left after a test case: see balance.cpp.
#pragma once

namespace test {

/// What main() returns: not zero if a test failed, or left something behind.
[[nodiscard]] int with_balance(int result);

} // namespace test
