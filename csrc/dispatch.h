// The tables of kernels. The kernels are compiled once per target (an instruction set; CMakeLists.txt lists them), each
// time in a namespace of the target's name, and each target is reached through one table.
#pragma once

#include "kernels.h"

namespace unrolled {

// The functions of kernels.h for one cell and its activations.
struct CellKernels {
  decltype(unrolled::forward)* forward;
  decltype(unrolled::backward)* backward;
  decltype(unrolled::open_stream)* open_stream;
};

// The table of one target.
struct TargetKernels {
  decltype(unrolled::tape_size)* tape_size;
  const CellKernels& (*cell_kernels)(const Recurrence&);
};

namespace baseline {
extern const TargetKernels kKernels;
}
namespace avx2 {
extern const TargetKernels kKernels;
}
namespace avx512 {
extern const TargetKernels kKernels;
}
namespace neon {
extern const TargetKernels kKernels;
}

}  // namespace unrolled
