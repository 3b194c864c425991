// SPDX-License-Identifier: Apache-2.0
#include "process/core.hpp"

#include <aya/process_pool.hpp>

#include <csignal>
#include <utility>

namespace aya::inline v1 {

process_pool::process_pool(process_pool_options options) : core_(detail::process_core::make(std::move(options))) {}
process_pool::~process_pool() { core_->shut_down(); }

void process_pool::hand_over(detail::process_job& job) noexcept { core_->submit(job); }

void process_pool::shutdown() { core_->shut_down(); }
void process_pool::terminate_workers() noexcept { core_->end_workers(SIGTERM); }
void process_pool::kill_workers() noexcept { core_->end_workers(SIGKILL); }

std::size_t process_pool::max_workers() const noexcept { return core_->max_workers(); }
std::vector<pid_t> process_pool::children() const { return core_->children(); }
std::uint64_t process_pool::children_started() const { return core_->children_started(); }

} // namespace aya::inline v1
