// SPDX-License-Identifier: Apache-2.0
// What nearly every test includes, compiled once for each executable.
#ifndef AYA_TEST_SUPPORT_PRECOMPILED_HPP
#define AYA_TEST_SUPPORT_PRECOMPILED_HPP

#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#endif
