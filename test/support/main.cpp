// SPDX-License-Identifier: Apache-2.0
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "support/balance.hpp"
#include "support/symbolizer.hpp"

int main(int argc, char** argv) {
    test::start_symbolizer();
    return test::with_balance(doctest::Context(argc, argv).run());
}
