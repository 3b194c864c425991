// SPDX-License-Identifier: Apache-2.0
// Tasks: creating, awaiting, gathering and yielding.
#include "shapes.hpp"

namespace {

[[maybe_unused]] bool const registered[] = {
    bench::on_every_shape("spawn_10k", 10'000),
    bench::on_every_shape("gather2", 1'000),
    bench::on_every_shape("gather10", 1'000),
    bench::on_every_shape("gather1000", 10),
    bench::on_every_shape("yield", 100'000),
    bench::on_every_shape("chained_spawn", 1'000),
};

} // namespace
