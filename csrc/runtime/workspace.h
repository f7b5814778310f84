// Memory that a kernel needs for as long as it runs.
#pragma once

#include <cstdint>

namespace unrolled {

// Uninitialised floats, aligned to a cache line. Blocks are kept and handed out again: fresh pages
// from the system cost more than what is computed in them.
class Scratch {
 public:
  explicit Scratch(int64_t floats);
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  float* data() const;

 private:
  float* data_;
  int64_t floats_;
};

// Asks the system for large pages in memory that is about to be written for the first time: a fault for
// every small page of a long tape takes a third of the time that computing it does.
void use_large_pages(float* data, int64_t floats);

}  // namespace unrolled
