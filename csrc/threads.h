// The pool of threads, and the floating-point state that kernels run in.
#pragma once

namespace unrolled {

// Denormal numbers are read and written as zero while one of these is alive: a state that decays
// towards zero would otherwise slow every operation by an order of magnitude.
class FlushDenormals {
 public:
  FlushDenormals();
  ~FlushDenormals();
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  unsigned long long before_;
};

// The caller and its share of the pool, for as long as one kernel runs. A second kernel that wants
// more than its own thread waits until the first has ended: two at once would only get in each
// other's way.
class Team {
 public:
  explicit Team(int wanted);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int size() const;

  // Calls task(0) ... task(count - 1), each once, on any of the team's threads in any order, and
  // returns when all have ended. What one of them throws is thrown here, then.
  template <class Task>
  void run(int count, const Task& task) {
    run(count, [](const void* erased, int index) { (*static_cast<const Task*>(erased))(index); }, &task);
  }

 private:
  void run(int count, void (*call)(const void*, int), const void* task);

  FlushDenormals flush_;
  int size_;  // 1 where no thread could be had
};

}  // namespace unrolled
