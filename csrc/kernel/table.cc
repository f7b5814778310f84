// The table of one instruction set.
#include "dispatch.h"
#include "kernel/entry.h"

namespace unrolled::UNROLLED_ISA {
namespace {

const Passes& passes_of(const Recurrence& recurrence) {
  switch (recurrence.cell) {
    case Cell::lstm: return kLstm;
    case Cell::gru: return kGru;
    case Cell::simple_rnn: return kSimpleRnn;
  }
  __builtin_unreachable();
}

int64_t tape_size(const Recurrence& recurrence, const Sizes& sizes) { return Geometry(recurrence, sizes).tape_size(); }

void forward(const Recurrence& recurrence, const Sizes& sizes, const Inputs& inputs, const Outputs& outputs,
             float* tape) {
  passes_of(recurrence).forward(recurrence, sizes, inputs, outputs, tape);
}

void backward(const Recurrence& recurrence, const Sizes& sizes, const Inputs& inputs, const float* tape,
              const Cotangents& cotangents, const Gradients& gradients) {
  passes_of(recurrence).backward(recurrence, sizes, inputs, tape, cotangents, gradients);
}

Stream* open_stream(const Recurrence& recurrence, int64_t batch, int64_t features, int64_t units, const float* kernel,
                    const float* recurrent_kernel, const float* bias) {
  return passes_of(recurrence).open_stream(recurrence, {batch, 1, features, units}, kernel, recurrent_kernel, bias);
}

void step(Stream* stream, const float* inputs, float* h, float* c) {
  static_cast<OpenStream*>(stream)->step(inputs, h, c);
}

void close_stream(Stream* stream) { delete static_cast<OpenStream*>(stream); }

}  // namespace

const Kernels kKernels{tape_size, forward, backward, open_stream, step, close_stream};

}  // namespace unrolled::UNROLLED_ISA
