// SPDX-License-Identifier: Apache-2.0
// The pools as objects of their own.
#include "executors/blocking_pool.hpp"
#include "executors/cpu_pool.hpp"
#include "executors/runtime_core.hpp"

#include <aya/blocking_pool.hpp>
#include <aya/cpu_pool.hpp>
#include <aya/map_in_executor.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

namespace aya::inline v1 {

namespace {

constexpr std::size_t most_threads = 4095;

std::size_t checked(std::size_t threads, std::size_t otherwise, char const* what) {
    if (threads > most_threads)
        throw std::invalid_argument(fmt::format("{}: {} is more than the limit of {}", what, threads, most_threads));
    return threads == 0 ? otherwise : threads;
}

std::shared_ptr<detail::blocking_pool> make(blocking_pool_options const& options) {
    if (options.idle_time < std::chrono::nanoseconds::zero())
        throw std::invalid_argument("aya::blocking_pool_options::idle_time: below zero");
    std::size_t const usual = std::min<std::size_t>(32, detail::usable_cpus_here() + 4);
    return std::make_shared<detail::blocking_pool>(checked(options.max_threads, usual, "aya::blocking_pool_options::max_threads"),
                                                   options.idle_time, nullptr);
}

} // namespace

map_options detail::checked(map_options options) {
    if (options.chunk == 0)
        throw std::invalid_argument("aya::map_options::chunk: 0, but each call handles one element at least");
    if (options.in_flight == 0)
        options.in_flight = 2 * detail::usable_cpus_here();
    return options;
}

cpu_pool::cpu_pool(cpu_pool_options options)
    : pool_(std::make_shared<detail::cpu_pool>(checked(options.threads, detail::usable_cpus_here(), "aya::cpu_pool_options::threads"),
                                               options.priority, nullptr)),
      executor_(detail::executor_access::make(pool_)) {}
cpu_pool::~cpu_pool() { pool_->shut_down(); }
std::size_t cpu_pool::thread_count() const noexcept { return pool_->threads(); }
void cpu_pool::shut_down() { pool_->shut_down(); }

blocking_pool::blocking_pool(blocking_pool_options options) : pool_(make(options)), executor_(detail::executor_access::make(pool_)) {}
blocking_pool::~blocking_pool() { pool_->shut_down(); }
std::size_t blocking_pool::max_threads() const noexcept { return pool_->max_threads(); }
std::size_t blocking_pool::thread_count() const { return pool_->thread_count(); }
void blocking_pool::shut_down() { pool_->shut_down(); }

} // namespace aya::inline v1
