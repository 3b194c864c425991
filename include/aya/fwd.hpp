// SPDX-License-Identifier: Apache-2.0
// Names of the library, for code that only mentions them.
#pragma once

namespace aya {

template <class T = void>
class task;
template <class T = void>
class task_handle;
template <class T>
class outcome;
template <class T>
class queue;
class event;
class mutex;
class runtime;
class semaphore;
class task_group;
class timeout_scope;
struct runtime_options;

namespace detail {
class scheduler;
class suspension;
class task_state;
struct completion;
struct promise_base;
} // namespace detail

} // namespace aya
