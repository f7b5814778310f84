// On which core a thread runs, and on which it should not.
#pragma once

#include <pthread.h>
#include <sched.h>

namespace unrolled {

// The core that this thread runs on; negative where the system does not tell.
inline int current_core() {
#if defined(__linux__)
  return sched_getcpu();
#else
  return -1;
#endif
}

// A thread of ours, and a core that it keeps off. A thread that is woken while every core is busy may be put behind
// its caller, and is left there for milliseconds even if another core has nothing more to do.
class Placement {
 public:
  explicit Placement(pthread_t thread) : thread_(thread) {}

  // Of the cores that it may run on it takes any but this one, which is the caller's. What others say about where it
  // may run is kept to.
  void keep_off(int core) {
#if defined(__linux__)
    if (core < 0 || core >= CPU_SETSIZE || core == avoided_) return;
    cpu_set_t cores;
    if (pthread_getaffinity_np(thread_, sizeof cores, &cores) != 0) return;
    if (avoided_ >= 0 && CPU_EQUAL(&cores, &chosen_)) CPU_SET(avoided_, &cores);
    if (!CPU_ISSET(core, &cores) || CPU_COUNT(&cores) == 1) return;
    CPU_CLR(core, &cores);
    if (pthread_setaffinity_np(thread_, sizeof cores, &cores) != 0) return;
    chosen_ = cores;
    avoided_ = core;
#else
    static_cast<void>(core), static_cast<void>(thread_);
#endif
  }

 private:
  pthread_t thread_;
#if defined(__linux__)
  cpu_set_t chosen_{};
  int avoided_ = -1;  // what `chosen_` lacks
#endif
};

}  // namespace unrolled
