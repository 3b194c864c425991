// SPDX-License-Identifier: Apache-2.0
// Names of the library, for code that only mentions them: include this instead of declaring `namespace aya { class runtime; }`, which
// would be another class. Everything stands in the inline namespace v1, which is part of each symbol's name and not of what one writes: a
// program that mixes objects made for different binary interfaces fails to link, and does not fail to run.
#pragma once

namespace aya::inline v1 {

template <class T = void>
class task;
template <class T = void>
class task_handle;
template <class T = void>
class future;
template <class T = void>
class promise;
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
struct runtime_access;
class task_state;
struct completion;
struct promise_base;
} // namespace detail

} // namespace aya::inline v1
