// The public interface of the kernels. They depend on neither Python nor a framework: they take plain float arrays
// in C order, and compute on a pool of their own or on one that belongs to a framework (runtime/parallel.h).
// src/unrolled/kernels/reference.py specifies the numerics.
//
// Axes: B batch, T time, F features, H units, G gates (4 in an LSTM: i f c o; 3 in a GRU: z r h; 1 in a SimpleRNN),
// M dropout masks (1, shared by all gates, or G, one for each gate).
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

// The configuration of a layer.
struct Recurrence {
  Cell cell;
  Activation activation;            // of the candidate and, in an LSTM, of the cell state
  Activation recurrent_activation;  // of the gates; unused by a SimpleRNN
  bool reset_after;                 // GRU: reset after the matrix product
  bool go_backwards;                // step s reads time T-1-s; outputs are in the order of the steps
  bool return_sequences;            // outputs of every step, else of the last
  bool zero_output_for_mask;        // a masked step outputs 0, else the previous output
};

struct Sizes {
  int64_t batch, time, features, units;
};

// Arrays in C order, read only, which may not overlap any output and must stay valid during the call. Null means
// absent: no mask, no resets, zero state, no dropout, no bias.
struct Inputs {
  const float* sequences;           // [B, T, F]
  const uint8_t* mask;              // [B, T], 0 = masked: the step keeps the state
  const uint8_t* resets;            // [B, T], not 0 = the first step in time of a sequence of its own
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

// Every element is written.
struct Outputs {
  float* outputs;  // [B, T, H] with return_sequences, else [B, 1, H]
  float* h;        // [B, H] state after the last step
  float* c;        // [B, H], LSTM only, else null
};

// Gradients of the loss with respect to Outputs, in the same shapes. Null means zero.
struct Cotangents {
  const float* outputs;
  const float* h;
  const float* c;
};

// Gradients of the loss with respect to Inputs, in the same shapes; every element is written. A gradient that is null
// is not computed.
struct Gradients {
  float* sequences;
  float* initial_h;
  float* initial_c;
  float* kernel;
  float* recurrent_kernel;
  float* bias;
};

// The number of floats that forward() stores for backward().
int64_t tape_size(const Recurrence&, const Sizes&);

// tape: tape_size() floats, written for backward(); null in inference, where nothing is stored.
void forward(const Recurrence&, const Sizes&, const Inputs&, const Outputs&, float* tape);

// Takes the inputs of forward() and the tape that it wrote.
void backward(const Recurrence&, const Sizes&, const Inputs&, const float* tape, const Cotangents&, const Gradients&);

// Computes one step of a few sequences at a time, with weights that are packed once. It computes on the thread that
// calls it, with the target that was in use when it was opened.
class Stream {
 public:
  virtual ~Stream();
  // inputs: [B, F]. h [B, H] and, in an LSTM, c [B, H] hold the state, which is read and replaced; c is null otherwise.
  virtual void step(const float* inputs, float* h, float* c) = 0;
};

// The weights have the shapes of Inputs and are copied; bias may be null. The caller deletes the stream.
Stream* open_stream(const Recurrence&, int64_t batch, int64_t features, int64_t units, const float* kernel,
                    const float* recurrent_kernel, const float* bias);

// The maximum number of threads of the next call, the calling thread included. Results do not depend on it, bit for
// bit.
void set_threads(int count);
int threads();

// From now on computes on the threads of the OpenMP (GCC's or a compatible one) that a loaded library uses, and on no
// others: OpenMP's threads spin for a while after each loop and would compete with a second pool for the cores.
// Returns false and changes nothing if the library is not loaded or does not use OpenMP.
bool share_threads(const char* library);

// The target in use: "avx512", "avx2", "neon" or "baseline". The first call chooses the fastest that this processor
// supports, or the one that the environment variable UNROLLED_ISA names.
const char* target();

// Selects a target, for tests and benchmarks. Returns false if this processor does not support it.
bool set_target(const char* name);

// The targets that this processor supports, the fastest first, ended by null.
const char* const* targets();

}  // namespace unrolled
