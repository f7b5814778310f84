// On which core a thread runs, and on which it should not wake up.
#pragma once

#include <pthread.h>
#include <sched.h>

#include <cstddef>

namespace unrolled {

// The core that this thread runs on; negative where the system does not tell.
inline int current_core() {
#if defined(__linux__)
  return sched_getcpu();
#else
  return -1;
#endif
}

// Where a helper wakes up. A thread that is woken while every core is busy may be put behind its caller, and is left
// there for milliseconds even if another core has nothing more to do. So the caller's core is taken from those that
// the helper may run on, until it is awake.
class Wakeup {
 public:
  explicit Wakeup(pthread_t thread) : thread_(thread) {}

  // To be called before a thread is woken that sleeps, one of so many. Where there are as many as cores, nothing is
  // changed: some have to share.
  void keep_off(int core, size_t threads) {
#if defined(__linux__)
    if (core < 0 || core >= CPU_SETSIZE || core == avoided_) return;
    if (avoided_ < 0 && pthread_getaffinity_np(thread_, sizeof own_, &own_) != 0) return;
    if (!CPU_ISSET(core, &own_) || static_cast<size_t>(CPU_COUNT(&own_)) <= threads) return;
    cpu_set_t cores = own_;
    CPU_CLR(core, &cores);
    if (pthread_setaffinity_np(thread_, sizeof cores, &cores) == 0) avoided_ = core;
#else
    static_cast<void>(core), static_cast<void>(threads), static_cast<void>(thread_);
#endif
  }

  // To be called by the thread once it is awake.
  void over() {
#if defined(__linux__)
    if (avoided_ < 0) return;
    pthread_setaffinity_np(thread_, sizeof own_, &own_);
    avoided_ = -1;
#endif
  }

 private:
  pthread_t thread_;
#if defined(__linux__)
  cpu_set_t own_{};   // those that it may run on otherwise
  int avoided_ = -1;  // the one that it may not wake up on
#endif
};

}  // namespace unrolled
