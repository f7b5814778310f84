// Temporary memory of the kernels.
#pragma once

#include <cstdint>

namespace unrolled {

// Uninitialised floats, aligned to a cache line. Blocks are cached and reused: new pages from the system would cost
// more time than the computation in them.
class Workspace {
 public:
  explicit Workspace(int64_t floats);
  ~Workspace();
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  float* data() const;

 private:
  float* data_;
  int64_t floats_;
};

// Requests large pages for memory that is about to be written for the first time: page faults for the small pages of a
// long tape take a third of the time of its computation.
void use_large_pages(float* data, int64_t floats);

}  // namespace unrolled
