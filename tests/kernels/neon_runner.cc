// Runs the kernels on cases from one file and writes what they give to another: neon_runner CASES RESULTS.
// Numbers are int64 and arrays float, both in the machine's byte order; an array is its length, 0 if absent, and its
// elements (of the mask and of the resets, one float each). test_neon.py writes the one file and reads the other.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "kernels.h"

using namespace unrolled;
using Floats = std::vector<float>;

static std::FILE *cases, *results;

static bool read_number(int64_t* number) { return std::fread(number, sizeof *number, 1, cases) == 1; }

static int64_t number() {
  int64_t value = 0;
  if (!read_number(&value)) std::exit(2);
  return value;
}

static Floats array() {
  Floats values(static_cast<size_t>(number()));
  if (std::fread(values.data(), sizeof(float), values.size(), cases) != values.size()) std::exit(2);
  return values;
}

static void write(const Floats& values) {
  const int64_t length = static_cast<int64_t>(values.size());
  std::fwrite(&length, sizeof length, 1, results);
  std::fwrite(values.data(), sizeof(float), values.size(), results);
}

static float* or_null(Floats& values) { return values.empty() ? nullptr : values.data(); }

// Above zero unless this thread flushes denormal numbers.
static float denormal() {
  volatile float small = 1e-30f;
  return small * 1e-10f;
}

struct Case {
  int threads;
  Recurrence recurrence;
  Sizes sizes;
  int64_t columns;  // G*H
  Floats sequences, kernel, recurrent_kernel, bias, initial_h, initial_c, input_dropout, recurrent_dropout;
  std::vector<uint8_t> mask, resets;
  Inputs inputs{};

  explicit Case(int64_t first) : threads(static_cast<int>(first)) {
    recurrence.cell = static_cast<Cell>(number());
    recurrence.activation = static_cast<Activation>(number());
    recurrence.recurrent_activation = static_cast<Activation>(number());
    recurrence.reset_after = number();
    recurrence.go_backwards = number();
    recurrence.return_sequences = number();
    recurrence.zero_output_for_mask = number();
    sizes.batch = number();
    sizes.time = number();
    sizes.features = number();
    sizes.units = number();
    for (Floats* each : {&sequences, &kernel, &recurrent_kernel, &bias, &initial_h, &initial_c}) *each = array();
    for (auto* each : {&mask, &resets}) {
      const Floats given = array();
      each->assign(given.begin(), given.end());
    }
    input_dropout = array();
    recurrent_dropout = array();
    columns = static_cast<int64_t>(kernel.size()) / sizes.features;
    point();
  }

  void point() {
    inputs.sequences = sequences.data();
    inputs.mask = mask.empty() ? nullptr : mask.data();
    inputs.resets = resets.empty() ? nullptr : resets.data();
    inputs.initial_h = or_null(initial_h);
    inputs.initial_c = or_null(initial_c);
    inputs.input_dropout = or_null(input_dropout);
    inputs.recurrent_dropout = or_null(recurrent_dropout);
    inputs.input_dropout_masks = masks(input_dropout, sizes.features);
    inputs.recurrent_dropout_masks = masks(recurrent_dropout, sizes.units);
    inputs.kernel = kernel.data();
    inputs.recurrent_kernel = recurrent_kernel.data();
    inputs.bias = or_null(bias);
  }

  int32_t masks(const Floats& dropout, int64_t width) const {
    return dropout.empty() ? 1 : static_cast<int32_t>(static_cast<int64_t>(dropout.size()) / (sizes.batch * width));
  }

  bool is_lstm() const { return recurrence.cell == Cell::lstm; }
  size_t states() const { return static_cast<size_t>(sizes.batch * sizes.units); }

  void run_forward(float* tape) {
    const size_t steps = static_cast<size_t>(recurrence.return_sequences ? sizes.time : 1);
    Floats outputs(states() * steps), h(states()), c(is_lstm() ? states() : 0);
    forward(recurrence, sizes, inputs, {outputs.data(), h.data(), or_null(c)}, tape);
    for (const Floats* each : {&outputs, &h, &c}) write(*each);
  }

  void run_backward(const float* tape) {
    Floats outputs = array(), h = array(), c = array();
    const bool two_biases = recurrence.cell == Cell::gru && recurrence.reset_after;
    Floats d_sequences(sequences.size()), d_kernel(kernel.size()), d_recurrent(recurrent_kernel.size());
    Floats d_bias(static_cast<size_t>(two_biases ? 2 * columns : columns)), d_h(states()), d_c(is_lstm() ? states() : 0);
    backward(recurrence, sizes, inputs, tape, {or_null(outputs), or_null(h), or_null(c)},
             {d_sequences.data(), d_h.data(), or_null(d_c), d_kernel.data(), d_recurrent.data(), d_bias.data()});
    for (const Floats* each : {&d_sequences, &d_kernel, &d_recurrent, &d_bias, &d_h, &d_c}) write(*each);
  }

  // The last h, and in an LSTM the last c, when the sequences are read step by step.
  void run_stream() {
    Floats h(initial_h.empty() ? Floats(states()) : initial_h), c(is_lstm() ? states() : 0), x;
    if (!initial_c.empty()) c = initial_c;
    const std::unique_ptr<Stream> stream(open_stream(recurrence, sizes.batch, sizes.features, sizes.units, inputs.kernel,
                                                     inputs.recurrent_kernel, inputs.bias));
    for (int64_t t = 0; t < sizes.time; ++t) {
      x.clear();
      for (int64_t b = 0; b < sizes.batch; ++b) {
        const float* const from = sequences.data() + (b * sizes.time + t) * sizes.features;
        x.insert(x.end(), from, from + sizes.features);
      }
      stream->step(x.data(), h.data(), or_null(c));
    }
    write(h);
    write(c);
  }

  void run() {
    set_threads(threads);
    Floats tape(static_cast<size_t>(tape_size(recurrence, sizes)));
    run_forward(nullptr);
    run_forward(tape.data());
    run_backward(tape.data());
    run_stream();
    write({denormal()});
  }
};

int main(int count, char** arguments) {
  if (count != 3) return 2;
  cases = std::fopen(arguments[1], "rb");
  results = std::fopen(arguments[2], "wb");
  if (!cases || !results) return 2;
  for (int64_t first; read_number(&first);) Case(first).run();
  std::puts(target());
  return std::fclose(results);
}
