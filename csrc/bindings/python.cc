// The kernels for Python, on NumPy's arrays and all that speak DLPack.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <iterator>
#include <stdexcept>
#include <string>

#include "bindings/arguments.h"
#include "bindings/frameworks.h"
#include "dispatch.h"
#include "kernels.h"

namespace nb = nanobind;

namespace unrolled {
namespace {

// The names that Python uses, in the order of the enumerations.
constexpr const char* kCells[] = {"lstm", "gru", "simple_rnn"};
constexpr const char* kActivations[] = {"linear", "tanh",     "sigmoid",  "hard_sigmoid", "relu",
                                        "elu",    "softsign", "softplus", "silu",         "gelu"};
static_assert(std::size(kCells) == static_cast<size_t>(Cell::simple_rnn) + 1);
static_assert(std::size(kActivations) == static_cast<size_t>(Activation::gelu) + 1);

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
  const ForwardCall call(recurrence,
                         from_python(sequences, kernel, recurrent_kernel, bias, initial_h, initial_c, mask,
                                     input_dropout, recurrent_dropout),
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
  const BackwardCall call(
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
    const auto* x = static_cast<const float*>(required(from_python("inputs", inputs), {batch_, features_}));
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
  m.doc() = "The C++ kernels. Call them through unrolled.kernels.native and .extension.";
  // What Python still holds when it ends (a cached Recurrence, say) is no concern of who uses it.
  nb::set_leak_warnings(false);
  m.attr("cells") = names_of(kCells);
  m.attr("activations") = names_of(kActivations);
  m.attr("xla_forward") = nb::capsule(xla_forward());
  m.attr("xla_backward") = nb::capsule(xla_backward());

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
  m.def("register_with_tensorflow", &register_with_tensorflow, nb::arg("library"));
  m.def("set_threads", &set_threads, nb::arg("count"));
  m.def("threads", &threads);
  m.def("share_threads", &share_threads, nb::arg("library"));
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
