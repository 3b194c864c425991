// SPDX-License-Identifier: Apache-2.0
// Items through bounded queues.
#include "shapes.hpp"

namespace {

[[maybe_unused]] bool const registered[] = {
    bench::on_every_shape("ping_pong", 16'000),
    bench::on_every_shape("queue_1_3", 10'000),
    bench::on_every_shape("queue_4_4", 40'000),
};

} // namespace
