// Every signature of the kernels. They know neither Python nor a framework: plain float arrays in
// C order and sizes; threads are their own or lent to them (threads.h). Numerics are specified by
// src/unrolled/kernels/reference.py; nothing here defines them.
//
// Axes: B batch, T time, F features, H units, G gates (4 in an LSTM: i f c o; 3 in a GRU: z r h;
// 1 in a SimpleRNN), M masks of dropout (1, shared by all gates, or G, one for each).
#pragma once

#include <cstdint>

namespace unrolled {

enum class Cell : int32_t { lstm, gru, simple_rnn };

enum class Activation : int32_t {
  linear,
  tanh,
  sigmoid,
  hard_sigmoid,
  relu,
  elu,
  softsign,
  softplus,
  silu,
  gelu,
};

// What a layer computes, apart from its arrays.
struct Recurrence {
  Cell cell;
  Activation activation;            // of the candidate and, in an LSTM, of the cell state
  Activation recurrent_activation;  // of the gates; unused by a SimpleRNN
  bool reset_after;                 // GRU: reset after the matrix product
  bool go_backwards;                // step s reads time T-1-s; outputs are in the order of the steps
  bool return_sequences;            // outputs of every step, else of the last
  bool zero_output_for_mask;        // a masked step gives 0, else the output before it
};

struct Sizes {
  int64_t batch, time, features, units;
};

// All arrays are read only, in C order, and may not overlap any output. Null means absent: no mask,
// zero state, no dropout, no bias.
struct Inputs {
  const float* sequences;           // [B, T, F]
  const uint8_t* mask;              // [B, T], 0 = masked: the step leaves the state as it was
  const float* initial_h;           // [B, H]
  const float* initial_c;           // [B, H], LSTM only
  const float* input_dropout;       // [M, B, F] factors of the inputs
  const float* recurrent_dropout;   // [M, B, H] factors of the state before the matrix product
  int32_t input_dropout_masks;      // M of input_dropout
  int32_t recurrent_dropout_masks;  // M of recurrent_dropout
  const float* kernel;              // [F, G*H]
  const float* recurrent_kernel;    // [H, G*H]
  const float* bias;                // [G*H]; GRU with reset_after: [2, G*H], of kernel and recurrent_kernel
};

// Written in full.
struct Outputs {
  float* outputs;  // [B, T, H] with return_sequences, else [B, 1, H]
  float* h;        // [B, H] state after the last step
  float* c;        // [B, H], LSTM only, else null
};

// The cotangents of Outputs. Null means zero.
struct Cotangents {
  const float* outputs;
  const float* h;
  const float* c;
};

// The gradients of Inputs, shaped like them and written in full. Null means not asked for: its work
// is left out.
struct Gradients {
  float* sequences;
  float* initial_h;
  float* initial_c;
  float* kernel;
  float* recurrent_kernel;
  float* bias;
};

// How many floats forward() has to remember for backward().
int64_t tape_size(const Recurrence&, const Sizes&);

// tape: tape_size() floats, written for backward(); null in inference, where nothing is kept.
void forward(const Recurrence&, const Sizes&, const Inputs&, const Outputs&, float* tape);

// Takes the same inputs as forward() and the tape that it wrote.
void backward(const Recurrence&, const Sizes&, const Inputs&, const float* tape, const Cotangents&, const Gradients&);

// One step after another at a few sequences, with the weights packed once.
class Stream;
Stream* open_stream(const Recurrence&, int64_t batch, int64_t features, int64_t units, const float* kernel,
                    const float* recurrent_kernel, const float* bias);
// inputs [B, F]; the state of the stream, h [B, H] and in an LSTM c [B, H], is read and replaced.
void step(Stream*, const float* inputs, float* h, float* c);
void close_stream(Stream*);

// How many threads the next call may use, the caller's included. What is computed does not depend
// on it, bit for bit.
void set_threads(int count);
int threads();

// Computes on the threads of the OpenMP (GCC's or one that is compatible) that a loaded library uses, from
// now on, and on no more of them: theirs look for work for a while after each loop, and would take the
// cores from threads of our own. False, and nothing changes, where the library is not loaded or uses none.
bool share_threads(const char* library);

// Which instruction set was chosen when the first kernel ran: "avx512", "avx2", "neon" or "baseline".
// set_isa takes one that this processor has, for tests and benchmarks; false if it has not.
const char* isa();
bool set_isa(const char* name);

}  // namespace unrolled
