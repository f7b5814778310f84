// The kernels for XLA and TensorFlow, which call them without Python.
#pragma once

#include <string>

namespace unrolled {

// Handlers of XLA's foreign function interface, as jax.ffi.register_ffi_target takes them.
void* xla_forward();
void* xla_backward();

// Registers two operations with the TensorFlow of this process, once:
//
//   UnrolledForward:  the nine InputArrays -> outputs, h, c, tape
//   UnrolledBackward: the nine InputArrays, tape, the cotangents of outputs, h and c
//                     -> the six GradientArrays
//
// A Recurrence is attributes of its fields' names; an array that is absent, or not asked for with
// `keeps_tape` or a bit of `wanted`, is one without elements. library: the file of TensorFlow's
// framework library, which must be loaded already. Throws std::runtime_error where that library is not
// there or lacks what is needed.
void register_with_tensorflow(const std::string& library);

}  // namespace unrolled
