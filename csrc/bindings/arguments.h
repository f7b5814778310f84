// The arguments of a kernel as a framework passes them: arrays of any shape. All assumptions of the kernels are checked
// here, for every framework. A violation is thrown as std::invalid_argument.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "kernels.h"

namespace unrolled {

// The arrays of a kernel, in the order of every framework's arguments: X(name, element type, presence), where presence
// is required or optional. An optional array of shape [0] is absent. Where a list becomes parameters, each X begins
// with a comma, and the first parameter stands before the list.
#define UNROLLED_DIFFERENTIABLE_INPUTS(X)                                          \
  X(sequences, float, required)        /* [B, T, F] */                             \
  X(kernel, float, required)           /* [F, G*H] */                              \
  X(recurrent_kernel, float, required) /* [H, G*H] */                              \
  X(bias, float, optional)             /* [G*H]; GRU with reset_after: [2, G*H] */ \
  X(initial_h, float, optional)        /* [B, H] */                                \
  X(initial_c, float, optional)        /* [B, H] */

#define UNROLLED_INPUTS(X)                              \
  UNROLLED_DIFFERENTIABLE_INPUTS(X)                     \
  X(mask, bool, optional)               /* [B, T] */    \
  X(resets, bool, optional)             /* [B, T] */    \
  X(input_dropout, float, optional)     /* [M, B, F] */ \
  X(recurrent_dropout, float, optional) /* [M, B, H] */

#define UNROLLED_RESULTS(X)                                                   \
  X(outputs, float, required) /* [B, T, H] or, of the last step, [B, 1, H] */ \
  X(h, float, required)       /* [B, H] */                                    \
  X(c, float, optional)       /* [B, H] */

// Not owned.
struct Array {
  const char* name;
  void* data;
  const int64_t* shape;
  size_t rank;

  // Whether there is none, or one of shape [0] in its place.
  bool is_absent() const;
};

#define UNROLLED_FIELD(name, type, presence) Array name;
struct InputArrays {
  UNROLLED_INPUTS(UNROLLED_FIELD)
};

struct ResultArrays {
  UNROLLED_RESULTS(UNROLLED_FIELD)
};

struct GradientArrays {
  UNROLLED_DIFFERENTIABLE_INPUTS(UNROLLED_FIELD)
};
#undef UNROLLED_FIELD

constexpr int kInputs = sizeof(InputArrays) / sizeof(Array);
constexpr int kResults = sizeof(ResultArrays) / sizeof(Array);
constexpr int kGradients = sizeof(GradientArrays) / sizeof(Array);

// Throws "expected {expected}, got {the shape of the array}".
[[noreturn]] void throw_unexpected(const Array& array, const std::string& expected);

// Returns the data of an array of this shape, at a multiple of `alignment` bytes.
void* check_array(const Array& array, std::initializer_list<int64_t> shape, size_t alignment = alignof(float));

void check_recurrence(const Recurrence& recurrence);
Sizes check_sizes(const Recurrence& recurrence, const InputArrays& arrays);
int64_t checked_tape_size(const Recurrence& recurrence, const Sizes& sizes);
int64_t gate_count(const Recurrence& recurrence);

// Return the data of an optional array, or null if it is absent.
float* check_bias(const Array& bias, const Recurrence& recurrence, int64_t units);
// A state [B, H] that only an LSTM has.
float* check_cell_state(const Array& array, const Recurrence& recurrence, const Sizes& sizes);

// Checked arguments. The constructor reads the frameworks' objects; run() only reads and writes the arrays' data, which
// must still be valid.
class ForwardCall {
 public:
  // tape: without elements in inference.
  ForwardCall(const Recurrence& recurrence, const InputArrays& inputs, const ResultArrays& results, const Array& tape);
  void run() const;

 private:
  Recurrence recurrence_;
  Sizes sizes_;
  Inputs inputs_;
  Outputs outputs_{};
  float* tape_;
};

class BackwardCall {
 public:
  // Every cotangent and gradient is optional.
  BackwardCall(const Recurrence& recurrence, const InputArrays& inputs, const Array& tape,
               const ResultArrays& cotangents, const GradientArrays& gradients);
  void run() const;

 private:
  Recurrence recurrence_;
  Sizes sizes_;
  Inputs inputs_;
  const float* tape_;
  Cotangents cotangents_{};
  Gradients gradients_{};
};

}  // namespace unrolled
