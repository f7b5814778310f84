#include "runtime/thread_pool.h"

#include <sched.h>

#include <system_error>
#include <thread>

namespace unrolled {
namespace {

std::atomic<ThreadPool*> pool{nullptr};

// The parent's pool is not deleted, because its locks may be held.
void replace_pool() { pool = new ThreadPool; }

}  // namespace

int current_core() {
#if defined(__linux__)
  return sched_getcpu();
#else
  return -1;
#endif
}

void WakeupAffinity::avoid(int core, size_t threads) {
#if defined(__linux__)
  if (core < 0 || core >= CPU_SETSIZE || core == avoided_) return;
  if (avoided_ < 0 && pthread_getaffinity_np(thread_, sizeof allowed_, &allowed_) != 0) return;
  if (!CPU_ISSET(core, &allowed_) || static_cast<size_t>(CPU_COUNT(&allowed_)) <= threads) return;
  cpu_set_t cores = allowed_;
  CPU_CLR(core, &cores);
  if (pthread_setaffinity_np(thread_, sizeof cores, &cores) == 0) avoided_ = core;
#else
  static_cast<void>(core);
  static_cast<void>(threads);
  static_cast<void>(thread_);
#endif
}

void WakeupAffinity::restore() {
#if defined(__linux__)
  if (avoided_ < 0) return;
  pthread_setaffinity_np(thread_, sizeof allowed_, &allowed_);
  avoided_ = -1;
#endif
}

ThreadPool& ThreadPool::instance() {
  static const bool is_initialised = [] {
    pool = new ThreadPool;
    pthread_atfork(nullptr, nullptr, replace_pool);
    return true;
  }();
  static_cast<void>(is_initialised);
  return *pool.load();
}

bool ThreadPool::submit(int min_workers, void (*work)(void*), void* data) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!start_workers(static_cast<size_t>(min_workers))) return false;
    const int core = current_core();
    for (Worker& worker : workers_)
      if (!worker.is_busy) worker.affinity.avoid(core, workers_.size());
    tasks_.push_back({work, data});
    ++queued_;
  }
  changed_.notify_all();
  return true;
}

bool ThreadPool::start_workers(size_t count) {
  try {
    workers_.reserve(count);
    while (workers_.size() < count) {
      std::thread thread(&ThreadPool::run_worker, this, workers_.size());
      workers_.push_back({WakeupAffinity(thread.native_handle())});
      thread.detach();
    }
  } catch (const std::system_error&) {
    return !workers_.empty();
  }
  return true;
}

void ThreadPool::run_worker(size_t index) {
  for (;;) {
    changed_.wait([&] { return queued_.load() > 0; });
    const Task task = take_task(index);
    if (task.work == nullptr) continue;
    task.work(task.data);
    const std::lock_guard<std::mutex> lock(mutex_);
    workers_[index].is_busy = false;
  }
}

// An empty task if other workers have taken all of them.
ThreadPool::Task ThreadPool::take_task(size_t worker) {
  const std::lock_guard<std::mutex> lock(mutex_);
  workers_[worker].affinity.restore();
  if (tasks_.empty()) return {};
  workers_[worker].is_busy = true;
  const Task task = tasks_.front();
  tasks_.pop_front();
  --queued_;
  return task;
}

}  // namespace unrolled
