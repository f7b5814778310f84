// The kernels for Python (nanobind) and for XLA (its foreign function interface). Both hand over
// arrays of any shape, so everything that a kernel takes for granted is checked here, once for both.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <initializer_list>
#include <iterator>
#include <new>
#include <stdexcept>
#include <string>

#include "isa.h"
#include "kernels.h"
#include "xla/ffi/api/ffi.h"

namespace nb = nanobind;
namespace ffi = xla::ffi;

// How XLA hands over a Recurrence: each field is an attribute of the same name, an enumeration as int32.
XLA_FFI_REGISTER_ENUM_ATTR_DECODING(unrolled::Cell);
XLA_FFI_REGISTER_ENUM_ATTR_DECODING(unrolled::Activation);
XLA_FFI_REGISTER_STRUCT_ATTR_DECODING(unrolled::Recurrence, StructMember<unrolled::Cell>("cell"),
                                      StructMember<unrolled::Activation>("activation"),
                                      StructMember<unrolled::Activation>("recurrent_activation"),
                                      StructMember<bool>("reset_after"), StructMember<bool>("go_backwards"),
                                      StructMember<bool>("return_sequences"),
                                      StructMember<bool>("zero_output_for_mask"));

namespace unrolled {
namespace {

// The names that Python uses, in the order of the enumerations.
constexpr const char* kCells[] = {"lstm", "gru", "simple_rnn"};
constexpr const char* kActivations[] = {"linear", "tanh",     "sigmoid",  "hard_sigmoid", "relu",
                                        "elu",    "softsign", "softplus", "silu",         "gelu"};
static_assert(std::size(kCells) == static_cast<size_t>(Cell::simple_rnn) + 1);
static_assert(std::size(kActivations) == static_cast<size_t>(Activation::gelu) + 1);

// ---------------------------------------------------------------------------------------- checks

// An array as both sides give it. An optional array without elements is absent.
struct Array {
  const char* name;
  void* data;
  const int64_t* shape;
  size_t rank;

  bool is_empty() const {
    return !data || std::any_of(shape, shape + rank, [](int64_t length) { return length == 0; });
  }
};

struct InputArrays {
  Array sequences, kernel, recurrent_kernel, bias, initial_h, initial_c, mask, input_dropout, recurrent_dropout;
};

struct ResultArrays {
  Array outputs, h, c;
};

struct GradientArrays {
  Array sequences, kernel, recurrent_kernel, bias, initial_h, initial_c;
};

std::string shape_text(const int64_t* shape, size_t rank) {
  std::string text = "[";
  for (size_t axis = 0; axis < rank; ++axis) text += (axis ? ", " : "") + std::to_string(shape[axis]);
  return text + "]";
}

[[noreturn]] void refuse(const Array& array, const std::string& expected) {
  const std::string actual = array.data || array.rank ? shape_text(array.shape, array.rank) : "none";
  throw std::invalid_argument("native kernel: expected " + expected + ", got " + actual +
                              ". Shape arrays as unrolled.kernels.recurrence says.");
}

template <typename T = float>
T* required(const Array& array, std::initializer_list<int64_t> shape) {
  if (array.rank != shape.size() || !std::equal(shape.begin(), shape.end(), array.shape))
    refuse(array, array.name + (" " + shape_text(shape.begin(), shape.size())));
  return static_cast<T*>(array.data);
}

template <typename T = float>
T* optional(const Array& array, std::initializer_list<int64_t> shape) {
  return array.is_empty() ? nullptr : required<T>(array, shape);
}

float* lstm_only(const Array& array, const Recurrence& recurrence, const Sizes& sizes) {
  if (recurrence.cell != Cell::lstm && !array.is_empty()) refuse(array, std::string("no ") + array.name);
  return optional(array, {sizes.batch, sizes.units});
}

int64_t gates(const Recurrence& recurrence) {
  return recurrence.cell == Cell::lstm ? 4 : recurrence.cell == Cell::gru ? 3 : 1;
}

float* check_bias(const Array& bias, const Recurrence& recurrence, int64_t units) {
  const int64_t columns = gates(recurrence) * units;
  if (recurrence.cell == Cell::gru && recurrence.reset_after) return optional(bias, {2, columns});
  return optional(bias, {columns});
}

void check(const Recurrence& recurrence) {
  const auto is_known = [](auto value, size_t count) {
    return static_cast<int64_t>(value) >= 0 && static_cast<size_t>(value) < count;
  };
  if (!is_known(recurrence.cell, std::size(kCells)) || !is_known(recurrence.activation, std::size(kActivations)) ||
      !is_known(recurrence.recurrent_activation, std::size(kActivations)))
    throw std::invalid_argument("native kernel: expected a cell and activations of kernels.h, got other numbers.");
}

Sizes check_sizes(const Recurrence& recurrence, const InputArrays& arrays) {
  check(recurrence);
  const Array& sequences = arrays.sequences;
  if (sequences.rank != 3 || sequences.shape[1] < 1 || sequences.shape[2] < 1)
    refuse(sequences, "sequences [B, T, F] of at least one step and feature");
  const Array& recurrent_kernel = arrays.recurrent_kernel;
  if (recurrent_kernel.rank != 2 || recurrent_kernel.shape[0] < 1)
    refuse(recurrent_kernel, "recurrent_kernel [H, G*H]");
  return {sequences.shape[0], sequences.shape[1], sequences.shape[2], recurrent_kernel.shape[0]};
}

int32_t masks(const Array& dropout, const Recurrence& recurrence) {
  const int64_t count = dropout.rank && !dropout.is_empty() ? dropout.shape[0] : 1;
  if (count != 1 && count != gates(recurrence))
    refuse(dropout, std::string("1 or ") + std::to_string(gates(recurrence)) + " masks of " + dropout.name);
  return static_cast<int32_t>(count);
}

Inputs check_inputs(const Recurrence& recurrence, const Sizes& sizes, const InputArrays& arrays) {
  const auto [batch, time, features, units] = sizes;
  const int64_t columns = gates(recurrence) * units;
  Inputs inputs{};
  inputs.sequences = required(arrays.sequences, {batch, time, features});
  inputs.kernel = required(arrays.kernel, {features, columns});
  inputs.recurrent_kernel = required(arrays.recurrent_kernel, {units, columns});
  inputs.bias = check_bias(arrays.bias, recurrence, units);
  inputs.initial_h = optional(arrays.initial_h, {batch, units});
  inputs.initial_c = lstm_only(arrays.initial_c, recurrence, sizes);
  inputs.mask = optional<uint8_t>(arrays.mask, {batch, time});
  inputs.input_dropout_masks = masks(arrays.input_dropout, recurrence);
  inputs.input_dropout = optional(arrays.input_dropout, {inputs.input_dropout_masks, batch, features});
  inputs.recurrent_dropout_masks = masks(arrays.recurrent_dropout, recurrence);
  inputs.recurrent_dropout = optional(arrays.recurrent_dropout, {inputs.recurrent_dropout_masks, batch, units});
  return inputs;
}

int64_t checked_tape_size(const Recurrence& recurrence, const Sizes& sizes) {
  check(recurrence);
  if (sizes.batch < 0 || sizes.time < 1 || sizes.features < 1 || sizes.units < 1)
    throw std::invalid_argument("native kernel: expected sizes of at least 1, got a smaller one.");
  return sizes.batch ? tape_size(recurrence, sizes) : 0;
}

// A forward call, ready to run without a look at Python's or XLA's objects.
class Forward {
 public:
  Forward(const Recurrence& recurrence, const InputArrays& arrays, const ResultArrays& results, const Array& tape)
      : recurrence_(recurrence),
        sizes_(check_sizes(recurrence, arrays)),
        inputs_(check_inputs(recurrence, sizes_, arrays)),
        tape_(optional(tape, {checked_tape_size(recurrence, sizes_)})) {
    const auto [batch, time, features, units] = sizes_;
    outputs_.outputs = required(results.outputs, {batch, recurrence.return_sequences ? time : 1, units});
    outputs_.h = required(results.h, {batch, units});
    outputs_.c = lstm_only(results.c, recurrence, sizes_);
    if (recurrence.cell == Cell::lstm) required(results.c, {batch, units});
  }

  void run() const {
    if (sizes_.batch) forward(recurrence_, sizes_, inputs_, outputs_, tape_);
  }

 private:
  Recurrence recurrence_;
  Sizes sizes_;
  Inputs inputs_;
  Outputs outputs_{};
  float* tape_;
};

class Backward {
 public:
  Backward(const Recurrence& recurrence, const InputArrays& arrays, const Array& tape, const ResultArrays& cotangents,
           const GradientArrays& gradients)
      : recurrence_(recurrence),
        sizes_(check_sizes(recurrence, arrays)),
        inputs_(check_inputs(recurrence, sizes_, arrays)),
        tape_(required(tape, {checked_tape_size(recurrence, sizes_)})) {
    const auto [batch, time, features, units] = sizes_;
    const int64_t columns = gates(recurrence) * units;
    cotangents_.outputs = optional(cotangents.outputs, {batch, recurrence.return_sequences ? time : 1, units});
    cotangents_.h = optional(cotangents.h, {batch, units});
    cotangents_.c = lstm_only(cotangents.c, recurrence, sizes_);
    gradients_.sequences = optional(gradients.sequences, {batch, time, features});
    gradients_.kernel = optional(gradients.kernel, {features, columns});
    gradients_.recurrent_kernel = optional(gradients.recurrent_kernel, {units, columns});
    gradients_.bias = check_bias(gradients.bias, recurrence, units);
    gradients_.initial_h = optional(gradients.initial_h, {batch, units});
    gradients_.initial_c = lstm_only(gradients.initial_c, recurrence, sizes_);
  }

  void run() const {
    if (sizes_.batch) return backward(recurrence_, sizes_, inputs_, tape_, cotangents_, gradients_);
    // An empty sum: only the gradients of the weights have elements.
    const int64_t columns = gates(recurrence_) * sizes_.units;
    if (gradients_.kernel) std::fill_n(gradients_.kernel, sizes_.features * columns, 0.0f);
    if (gradients_.recurrent_kernel) std::fill_n(gradients_.recurrent_kernel, sizes_.units * columns, 0.0f);
    const int rows = recurrence_.cell == Cell::gru && recurrence_.reset_after ? 2 : 1;
    if (gradients_.bias) std::fill_n(gradients_.bias, rows * columns, 0.0f);
  }

 private:
  Recurrence recurrence_;
  Sizes sizes_;
  Inputs inputs_;
  const float* tape_;
  Cotangents cotangents_{};
  Gradients gradients_{};
};

// ------------------------------------------------------------------------------------------- XLA

using Floats = ffi::Buffer<ffi::F32>;
using Booleans = ffi::Buffer<ffi::PRED>;
using Result = ffi::Result<Floats>;

template <typename Buffer>
Array from_xla(const char* name, const Buffer& buffer) {
  const auto shape = buffer.dimensions();
  return {name, buffer.untyped_data(), shape.begin(), shape.size()};
}

InputArrays from_xla(Floats sequences, Floats kernel, Floats recurrent_kernel, Floats bias, Floats initial_h,
                     Floats initial_c, Booleans mask, Floats input_dropout, Floats recurrent_dropout) {
  return {from_xla("sequences", sequences),
          from_xla("kernel", kernel),
          from_xla("recurrent_kernel", recurrent_kernel),
          from_xla("bias", bias),
          from_xla("initial_h", initial_h),
          from_xla("initial_c", initial_c),
          from_xla("mask", mask),
          from_xla("input_dropout", input_dropout),
          from_xla("recurrent_dropout", recurrent_dropout)};
}

// No exception may reach XLA.
template <typename Work>
ffi::Error answer(const Work& work) {
  try {
    work();
    return ffi::Error::Success();
  } catch (const std::invalid_argument& error) {
    return ffi::Error::InvalidArgument(error.what());
  } catch (const std::bad_alloc&) {
    return ffi::Error(ffi::ErrorCode::kResourceExhausted, "native kernel: out of memory.");
  } catch (const std::exception& error) {
    return ffi::Error::Internal(error.what());
  }
}

ffi::Error forward_for_xla(Recurrence recurrence, Floats sequences, Floats kernel, Floats recurrent_kernel, Floats bias,
                           Floats initial_h, Floats initial_c, Booleans mask, Floats input_dropout,
                           Floats recurrent_dropout, Result outputs, Result h, Result c, Result tape) {
  return answer([&] {
    Forward(recurrence,
            from_xla(sequences, kernel, recurrent_kernel, bias, initial_h, initial_c, mask, input_dropout,
                     recurrent_dropout),
            {from_xla("outputs", *outputs), from_xla("h", *h), from_xla("c", *c)}, from_xla("tape", *tape))
        .run();
  });
}

ffi::Error backward_for_xla(Recurrence recurrence, Floats sequences, Floats kernel, Floats recurrent_kernel,
                            Floats bias, Floats initial_h, Floats initial_c, Booleans mask, Floats input_dropout,
                            Floats recurrent_dropout, Floats tape, Floats outputs, Floats h, Floats c,
                            Result sequences_gradient, Result kernel_gradient, Result recurrent_kernel_gradient,
                            Result bias_gradient, Result initial_h_gradient, Result initial_c_gradient) {
  return answer([&] {
    Backward(
        recurrence,
        from_xla(sequences, kernel, recurrent_kernel, bias, initial_h, initial_c, mask, input_dropout,
                 recurrent_dropout),
        from_xla("tape", tape),
        {from_xla("outputs cotangent", outputs), from_xla("h cotangent", h), from_xla("c cotangent", c)},
        {from_xla("sequences gradient", *sequences_gradient), from_xla("kernel gradient", *kernel_gradient),
         from_xla("recurrent_kernel gradient", *recurrent_kernel_gradient), from_xla("bias gradient", *bias_gradient),
         from_xla("initial_h gradient", *initial_h_gradient), from_xla("initial_c gradient", *initial_c_gradient)})
        .run();
  });
}

auto bind_inputs() {
  return ffi::Ffi::Bind()
      .Attrs<Recurrence>()
      .Arg<Floats>()    // sequences [B, T, F]
      .Arg<Floats>()    // kernel [F, G*H]
      .Arg<Floats>()    // recurrent_kernel [H, G*H]
      .Arg<Floats>()    // bias
      .Arg<Floats>()    // initial_h [B, H]
      .Arg<Floats>()    // initial_c [B, H]
      .Arg<Booleans>()  // mask [B, T]
      .Arg<Floats>()    // input_dropout [M, B, F]
      .Arg<Floats>();   // recurrent_dropout [M, B, H]
}

XLA_FFI_DEFINE_HANDLER(kXlaForward, forward_for_xla,
                       bind_inputs()
                           .Ret<Floats>()    // outputs [B, T or 1, H]
                           .Ret<Floats>()    // h [B, H]
                           .Ret<Floats>()    // c [B, H]
                           .Ret<Floats>());  // tape

XLA_FFI_DEFINE_HANDLER(kXlaBackward, backward_for_xla,
                       bind_inputs()
                           .Arg<Floats>()  // tape
                           .Arg<Floats>()  // cotangents of outputs, h and c
                           .Arg<Floats>()
                           .Arg<Floats>()
                           .Ret<Floats>()  // gradients of the six first inputs
                           .Ret<Floats>()
                           .Ret<Floats>()
                           .Ret<Floats>()
                           .Ret<Floats>()
                           .Ret<Floats>());

// ---------------------------------------------------------------------------------------- Python

using NumPyFloats = nb::ndarray<const float, nb::c_contig, nb::device::cpu>;
using NumPyBooleans = nb::ndarray<const bool, nb::c_contig, nb::device::cpu>;
using NumPyResult = nb::ndarray<float, nb::c_contig, nb::device::cpu>;

template <typename NdArray>
Array from_python(const char* name, const NdArray& array) {
  if (!array.is_valid()) return {name, nullptr, nullptr, 0};
  return {name, const_cast<void*>(static_cast<const void*>(array.data())), array.shape_ptr(), array.ndim()};
}

InputArrays from_python(const NumPyFloats& sequences, const NumPyFloats& kernel, const NumPyFloats& recurrent_kernel,
                        const NumPyFloats& bias, const NumPyFloats& initial_h, const NumPyFloats& initial_c,
                        const NumPyBooleans& mask, const NumPyFloats& input_dropout,
                        const NumPyFloats& recurrent_dropout) {
  return {from_python("sequences", sequences),
          from_python("kernel", kernel),
          from_python("recurrent_kernel", recurrent_kernel),
          from_python("bias", bias),
          from_python("initial_h", initial_h),
          from_python("initial_c", initial_c),
          from_python("mask", mask),
          from_python("input_dropout", input_dropout),
          from_python("recurrent_dropout", recurrent_dropout)};
}

void forward_for_python(const Recurrence& recurrence, const NumPyFloats& sequences, const NumPyFloats& kernel,
                        const NumPyFloats& recurrent_kernel, const NumPyFloats& bias, const NumPyFloats& initial_h,
                        const NumPyFloats& initial_c, const NumPyBooleans& mask, const NumPyFloats& input_dropout,
                        const NumPyFloats& recurrent_dropout, const NumPyResult& outputs, const NumPyResult& h,
                        const NumPyResult& c, const NumPyResult& tape) {
  const Forward call(recurrence,
                     from_python(sequences, kernel, recurrent_kernel, bias, initial_h, initial_c, mask, input_dropout,
                                 recurrent_dropout),
                     {from_python("outputs", outputs), from_python("h", h), from_python("c", c)},
                     from_python("tape", tape));
  nb::gil_scoped_release release;
  call.run();
}

void backward_for_python(const Recurrence& recurrence, const NumPyFloats& sequences, const NumPyFloats& kernel,
                         const NumPyFloats& recurrent_kernel, const NumPyFloats& bias, const NumPyFloats& initial_h,
                         const NumPyFloats& initial_c, const NumPyBooleans& mask, const NumPyFloats& input_dropout,
                         const NumPyFloats& recurrent_dropout, const NumPyFloats& tape, const NumPyFloats& outputs,
                         const NumPyFloats& h, const NumPyFloats& c, const NumPyResult& sequences_gradient,
                         const NumPyResult& kernel_gradient, const NumPyResult& recurrent_kernel_gradient,
                         const NumPyResult& bias_gradient, const NumPyResult& initial_h_gradient,
                         const NumPyResult& initial_c_gradient) {
  const Backward call(
      recurrence,
      from_python(sequences, kernel, recurrent_kernel, bias, initial_h, initial_c, mask, input_dropout,
                  recurrent_dropout),
      from_python("tape", tape),
      {from_python("outputs cotangent", outputs), from_python("h cotangent", h), from_python("c cotangent", c)},
      {from_python("sequences gradient", sequences_gradient), from_python("kernel gradient", kernel_gradient),
       from_python("recurrent_kernel gradient", recurrent_kernel_gradient), from_python("bias gradient", bias_gradient),
       from_python("initial_h gradient", initial_h_gradient), from_python("initial_c gradient", initial_c_gradient)});
  nb::gil_scoped_release release;
  call.run();
}

// A stream and the arrays that hold its state, so that a step takes one argument.
class PythonStream {
 public:
  PythonStream(const Recurrence& recurrence, const NumPyFloats& kernel, const NumPyFloats& recurrent_kernel,
               const NumPyFloats& bias, const NumPyResult& h, const NumPyResult& c)
      : h_(h), c_(c) {
    check(recurrence);
    if (kernel.ndim() != 2 || kernel.shape(0) < 1) refuse(from_python("kernel", kernel), "kernel [F, G*H]");
    if (h.ndim() != 2 || h.shape(0) < 1 || h.shape(1) < 1) refuse(from_python("h", h), "h [B, H]");
    const Sizes sizes{static_cast<int64_t>(h.shape(0)), 1, static_cast<int64_t>(kernel.shape(0)),
                      static_cast<int64_t>(h.shape(1))};
    const int64_t columns = gates(recurrence) * sizes.units;
    required(from_python("kernel", kernel), {sizes.features, columns});
    required(from_python("recurrent_kernel", recurrent_kernel), {sizes.units, columns});
    lstm_only(from_python("c", c), recurrence, sizes);
    if (recurrence.cell == Cell::lstm) required(from_python("c", c), {sizes.batch, sizes.units});
    batch_ = sizes.batch;
    features_ = sizes.features;
    is_long_ = batch_ * columns * (features_ + sizes.units) > kLongStep;
    stream_ = open_stream(recurrence, batch_, features_, sizes.units, kernel.data(), recurrent_kernel.data(),
                          check_bias(from_python("bias", bias), recurrence, sizes.units));
  }
  PythonStream(const PythonStream&) = delete;
  PythonStream& operator=(const PythonStream&) = delete;
  ~PythonStream() { close_stream(stream_); }

  void step(const NumPyFloats& inputs) {
    const float* x = required(from_python("inputs", inputs), {batch_, features_});
    if (!is_long_) return unrolled::step(stream_, x, h_.data(), c());
    nb::gil_scoped_release release;
    unrolled::step(stream_, x, h_.data(), c());
  }

 private:
  // Multiplications that take about as long as Python lets another thread wait for its lock. Whoever
  // gives that lock away for less may wait a thousand steps to get it back.
  static constexpr int64_t kLongStep = 50'000'000;

  float* c() const { return c_.is_valid() ? c_.data() : nullptr; }

  NumPyResult h_, c_;
  int64_t batch_, features_;
  bool is_long_;
  Stream* stream_;
};

template <typename Enumeration, size_t Count>
Enumeration find(const char* name, const char* const (&names)[Count], const char* what) {
  for (size_t index = 0; index < Count; ++index)
    if (std::string(names[index]) == name) return static_cast<Enumeration>(index);
  throw std::invalid_argument(std::string("native kernel: expected a known ") + what + ", got \"" + name + "\".");
}

template <size_t Count>
nb::tuple names_of(const char* const (&names)[Count]) {
  nb::list list;
  for (const char* name : names) list.append(name);
  return nb::tuple(list);
}

nb::tuple supported_isas() {
  nb::list list;
  for (const char* const* name = isas(); *name; ++name) list.append(*name);
  return nb::tuple(list);
}

// Never copied to fit: a copy of an output would be written in vain.
auto array(const char* name) { return nb::arg(name).noconvert(); }
auto absent_or_array(const char* name) { return nb::arg(name).noconvert().none(); }

}  // namespace
}  // namespace unrolled

NB_MODULE(_extension, m) {
  using namespace unrolled;
  m.doc() = "The C++ kernels. Call them through unrolled.kernels.native.";
  // What Python still holds when it ends (a cached Recurrence, say) is no concern of who uses it.
  nb::set_leak_warnings(false);
  m.attr("cells") = names_of(kCells);
  m.attr("activations") = names_of(kActivations);
  m.attr("xla_forward") = nb::capsule(reinterpret_cast<void*>(kXlaForward));
  m.attr("xla_backward") = nb::capsule(reinterpret_cast<void*>(kXlaBackward));

  nb::class_<Recurrence>(m, "Recurrence")
      .def(
          "__init__",
          [](Recurrence* self, const char* cell, const char* activation, const char* recurrent_activation,
             bool reset_after, bool go_backwards, bool return_sequences, bool zero_output_for_mask) {
            new (self) Recurrence{find<Cell>(cell, kCells, "cell"),
                                  find<Activation>(activation, kActivations, "activation"),
                                  find<Activation>(recurrent_activation, kActivations, "activation"),
                                  reset_after,
                                  go_backwards,
                                  return_sequences,
                                  zero_output_for_mask};
          },
          nb::arg("cell"), nb::arg("activation"), nb::arg("recurrent_activation"), nb::arg("reset_after"),
          nb::arg("go_backwards"), nb::arg("return_sequences"), nb::arg("zero_output_for_mask"))
      .def_prop_ro("cell", [](const Recurrence& self) { return static_cast<int>(self.cell); })
      .def_prop_ro("activation", [](const Recurrence& self) { return static_cast<int>(self.activation); })
      .def_prop_ro("recurrent_activation",
                   [](const Recurrence& self) { return static_cast<int>(self.recurrent_activation); });

  m.def("tape_size", [](const Recurrence& recurrence, int64_t batch, int64_t time, int64_t features, int64_t units) {
    return checked_tape_size(recurrence, {batch, time, features, units});
  });
  m.def("forward", &forward_for_python, nb::arg("recurrence"), array("sequences"), array("kernel"),
        array("recurrent_kernel"), absent_or_array("bias"), absent_or_array("initial_h"), absent_or_array("initial_c"),
        absent_or_array("mask"), absent_or_array("input_dropout"), absent_or_array("recurrent_dropout"),
        array("outputs"), array("h"), absent_or_array("c"), absent_or_array("tape"));
  m.def("backward", &backward_for_python, nb::arg("recurrence"), array("sequences"), array("kernel"),
        array("recurrent_kernel"), absent_or_array("bias"), absent_or_array("initial_h"), absent_or_array("initial_c"),
        absent_or_array("mask"), absent_or_array("input_dropout"), absent_or_array("recurrent_dropout"), array("tape"),
        absent_or_array("outputs"), absent_or_array("h"), absent_or_array("c"), absent_or_array("sequences_gradient"),
        absent_or_array("kernel_gradient"), absent_or_array("recurrent_kernel_gradient"),
        absent_or_array("bias_gradient"), absent_or_array("initial_h_gradient"), absent_or_array("initial_c_gradient"));
  m.def("set_threads", &set_threads, nb::arg("count"));
  m.def("threads", &threads);
  m.def("isa", &isa);
  m.def("isas", &supported_isas);
  m.def("set_isa", &set_isa, nb::arg("name"));

  nb::class_<PythonStream>(m, "Stream")
      .def(nb::init<const Recurrence&, const NumPyFloats&, const NumPyFloats&, const NumPyFloats&, const NumPyResult&,
                    const NumPyResult&>(),
           nb::arg("recurrence"), array("kernel"), array("recurrent_kernel"), absent_or_array("bias"), array("h"),
           absent_or_array("c"))
      .def("step", &PythonStream::step, array("inputs"));
}
