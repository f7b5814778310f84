// A call of a kernel as a framework hands it over: arrays of any shape. Everything that a kernel takes for
// granted is checked here, once for all of them; what is wrong is thrown as std::invalid_argument.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "kernels.h"

namespace unrolled {

// An optional array without elements is absent.
struct Array {
  const char* name;
  void* data;
  const int64_t* shape;
  size_t rank;

  bool is_empty() const;
};

// Throws: expected ..., got the shape of the array.
[[noreturn]] void refuse(const Array& array, const std::string& expected);

// The data of an array of this shape.
void* required(const Array& array, std::initializer_list<int64_t> shape);

struct InputArrays {
  Array sequences, kernel, recurrent_kernel, bias, initial_h, initial_c, mask, input_dropout, recurrent_dropout;
};

struct ResultArrays {
  Array outputs, h, c;
};

struct GradientArrays {
  Array sequences, kernel, recurrent_kernel, bias, initial_h, initial_c;
};

constexpr int kInputs = sizeof(InputArrays) / sizeof(Array);
constexpr int kResults = sizeof(ResultArrays) / sizeof(Array);
constexpr int kGradients = sizeof(GradientArrays) / sizeof(Array);

void check(const Recurrence& recurrence);
Sizes check_sizes(const Recurrence& recurrence, const InputArrays& arrays);
int64_t checked_tape_size(const Recurrence& recurrence, const Sizes& sizes);
int64_t gates(const Recurrence& recurrence);
float* check_bias(const Array& bias, const Recurrence& recurrence, int64_t units);
// Of a state [B, H] that only an LSTM has.
float* lstm_only(const Array& array, const Recurrence& recurrence, const Sizes& sizes);

// Ready to run without a look at any framework's objects.
class ForwardCall {
 public:
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
