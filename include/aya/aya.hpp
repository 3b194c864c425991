// SPDX-License-Identifier: Apache-2.0
// Everything of the core, with one include.
#pragma once

#include <aya/config.hpp>
#include <aya/errors.hpp>
#include <aya/exception_group.hpp>
#include <aya/gather.hpp>
#include <aya/outcome.hpp>
#include <aya/queue.hpp>
#include <aya/run.hpp>
#include <aya/runtime.hpp>
#include <aya/shield.hpp>
#include <aya/sleep.hpp>
#include <aya/sync/event.hpp>
#include <aya/sync/mutex.hpp>
#include <aya/sync/semaphore.hpp>
#include <aya/task.hpp>
#include <aya/task_group.hpp>
#include <aya/task_handle.hpp>
#include <aya/time.hpp>
#include <aya/timeout.hpp>
#include <aya/to_thread.hpp>
#include <aya/wait.hpp>
