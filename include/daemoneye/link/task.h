// How coroutines look in this project: a Task<T> is awaited on the io thread and yields a Result<T>.
//
// Four shapes are banned because g++ 12 destroys their temporaries twice: a co_await must not share a statement with a
// capturing lambda, a brace-initialised aggregate or the ?: operator, and must not initialise an aggregate's member.
//
// Thread: io, except where run_on says otherwise.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/error_code.hpp>
#include <type_traits>
#include <utility>

#include "daemoneye/base/result.h"

namespace de::link {

template <class T = void>
using Task = boost::asio::awaitable<Result<T>>;

// The only completion token: the outcome lands in `ec`, nothing is thrown.
inline auto into(boost::system::error_code& ec) { return boost::asio::redirect_error(boost::asio::use_awaitable, ec); }

template <class F>
boost::asio::awaitable<std::invoke_result_t<F&>> invoke_later(F work) {
  co_return work();
}

// Runs `work` on `pool`; the caller resumes on its own thread with the result. What `work` returns needs a default
// constructor (Result<T> has one when T has).
//
// Name the lambda before the call: `auto job = [...] {...}; auto done = co_await run_on(pool, std::move(job));`
template <class F>
boost::asio::awaitable<std::invoke_result_t<F&>> run_on(boost::asio::thread_pool& pool, F work) {
  auto task = invoke_later(std::move(work));
  co_return co_await boost::asio::co_spawn(pool, std::move(task), boost::asio::use_awaitable);
}

}  // namespace de::link
