// The kernels are compiled once per instruction set; each copy is reached through one table. Which
// copies there are is said once, in CMakeLists.txt; which of them this processor can run, in isa.cc.
#pragma once

#include "kernels.h"

namespace unrolled {

// What the kernels of one instruction set offer: the functions of kernels.h under the same names.
struct Kernels {
  int64_t (*tape_size)(const Recurrence&, const Sizes&);
  void (*forward)(const Recurrence&, const Sizes&, const Inputs&, const Outputs&, float* tape);
  void (*backward)(const Recurrence&, const Sizes&, const Inputs&, const float* tape, const Cotangents&,
                   const Gradients&);
  Stream* (*open_stream)(const Recurrence&, int64_t batch, int64_t features, int64_t units, const float* kernel,
                         const float* recurrent_kernel, const float* bias);
  void (*step)(Stream*, const float* inputs, float* h, float* c);
  void (*close_stream)(Stream*);
};

// Each copy derives its own stream from this one. Its weights are packed for the instruction set that
// opened it, so it is stepped and closed by that one, whatever set_isa() has chosen since.
class Stream {
 public:
  const Kernels* kernels = nullptr;  // set by open_stream() of kernels.h
};

namespace baseline {
extern const Kernels kKernels;
}
namespace avx2 {
extern const Kernels kKernels;
}
namespace avx512 {
extern const Kernels kKernels;
}
namespace neon {
extern const Kernels kKernels;
}

// The names that set_isa() takes on this processor, the fastest first; null ends them.
const char* const* isas();

}  // namespace unrolled
