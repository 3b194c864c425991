// SPDX-License-Identifier: Apache-2.0
// Forced in front of a model's source: production headers that come after it find model::atomic under the name std::atomic, so that
// they are checked as they are. What they take from the standard library is included before.
#pragma once

#include "explorer.hpp"

#include <chrono>
#include <coroutine>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string_view>

namespace std { // of this test only
template <class T>
using model_checked = model::atomic<T>;
}
#define atomic model_checked
