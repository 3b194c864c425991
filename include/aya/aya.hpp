// SPDX-License-Identifier: Apache-2.0
// Everything of the core, with one include.
#pragma once

#include <aya/config.hpp> // first: it says so when the compiler is told another standard

#include <aya/as_completed.hpp>
#include <aya/async_generator.hpp>
#include <aya/batches.hpp>
#include <aya/call_soon.hpp>
#include <aya/blocking_pool.hpp>
#include <aya/callback_handle.hpp>
#include <aya/concurrent_future.hpp>
#include <aya/context.hpp>
#include <aya/context_var.hpp>
#include <aya/cpu_pool.hpp>
#include <aya/errors.hpp>
#include <aya/exception_group.hpp>
#include <aya/executor.hpp>
#include <aya/future.hpp>
#include <aya/gather.hpp>
#include <aya/map_in_executor.hpp>
#include <aya/outcome.hpp>
#include <aya/queue.hpp>
#include <aya/resume_on.hpp>
#include <aya/retry.hpp>
#include <aya/run.hpp>
#include <aya/runner.hpp>
#include <aya/runtime.hpp>
#include <aya/shield.hpp>
#include <aya/sleep.hpp>
#include <aya/strand.hpp>
#include <aya/sync/barrier.hpp>
#include <aya/sync/bounded_semaphore.hpp>
#include <aya/sync/condition_variable.hpp>
#include <aya/sync/event.hpp>
#include <aya/sync/mutex.hpp>
#include <aya/sync/semaphore.hpp>
#include <aya/task.hpp>
#include <aya/task_group.hpp>
#include <aya/task_handle.hpp>
#include <aya/task_tree.hpp>
#include <aya/time.hpp>
#include <aya/timeout.hpp>
#include <aya/to_thread.hpp>
#include <aya/trace.hpp>
#include <aya/version.hpp>
#include <aya/wait.hpp>
