// The kernels as operations of XLA and TensorFlow, which run without Python.
#pragma once

#include <string>

namespace unrolled {

// Handlers of XLA's foreign function interface, for jax.ffi.register_ffi_target.
void* xla_forward();
void* xla_backward();

// Registers two operations with the TensorFlow of this process, once:
//
//   UnrolledForward:  UNROLLED_INPUTS -> UNROLLED_RESULTS, tape
//   UnrolledBackward: UNROLLED_INPUTS, tape, cotangents of UNROLLED_RESULTS
//                     -> gradients of UNROLLED_DIFFERENTIABLE_INPUTS
//
// The fields of a Recurrence are attributes of the same names. An absent array has no elements; so has the tape without
// the attribute `keeps_tape`, and a gradient whose bit in the attribute `wanted` is 0.
//
// library: file name of TensorFlow's framework library, which must be loaded. Throws std::runtime_error if it is not
// loaded or lacks a function.
void register_with_tensorflow(const std::string& library);

}  // namespace unrolled
