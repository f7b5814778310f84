// Work that threads do together stage by stage, where a stage needs all of the one before.
#pragma once

#include <cstdint>
#include <memory>

#include "threads.h"

namespace unrolled {

// Each stage has the same number of shares. Whoever is there takes what nobody has taken yet, its own share
// first, because that one's memory is in its cache. So a thread that comes late, or never, is not waited
// for; only one that is in the middle of a share is. The first that waits for long, because the system has
// put such a thread aside, does the rest alone.
class Stages {
 public:
  Stages(int64_t stages, int shares);
  ~Stages();
  Stages(const Stages&) = delete;
  Stages& operator=(const Stages&) = delete;

  // Whether threads are likely to help. After stages where they came too late, or kept others waiting, because other
  // processes use the cores, it is not so for a while, the longer the more often that was the case in a row.
  static bool are_worthwhile();

  // Calls task(stage, share) once for each stage and share, on any of the team's threads, and returns when all have
  // ended. The task may not throw.
  template <class Task>
  void run(Team& team, const Task& task) {
    const auto call = [](const void* erased, int64_t stage, int share) {
      (*static_cast<const Task*>(erased))(stage, share);
    };
    team.run(shares_, [&](int own) { work(own, call, &task); });
    work(0, call, &task);  // what is left where others have left
  }

 private:
  struct Progress;

  // Takes shares until all stages have ended, or it is better to leave them to others.
  void work(int own, void (*call)(const void*, int64_t, int), const void* task);

  const int64_t stages_;
  const int shares_;
  const std::unique_ptr<Progress> progress_;
};

}  // namespace unrolled
