// SPDX-License-Identifier: Apache-2.0
// Sleeps: the column CPU tells more than the time, which is that of the longest sleep at least.
#include "shapes.hpp"

namespace {

[[maybe_unused]] bool const registered = bench::on_every_shape("sleeps", 10'000);

} // namespace
