// SPDX-License-Identifier: Apache-2.0
// Fork-join trees.
#include "shapes.hpp"

namespace {

[[maybe_unused]] bool const registered[] = {
    bench::on_every_shape("fib", 21'891),
    bench::on_every_shape("skynet", 11'111),
    bench::on_every_shape("nqueens", 2'057),
};

} // namespace
