// The kernels for Python, on arrays of NumPy and of every library that supports DLPack.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>

#include "bindings/arguments.h"
#include "bindings/frameworks.h"
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

template <typename Element>
using NumPyArray = nb::ndarray<Element, nb::c_contig, nb::device::cpu>;
using NumPyFloats = NumPyArray<const float>;
using NumPyResult = NumPyArray<float>;

template <typename NdArray>
Array from_python(const char* name, const NdArray& array) {
  if (!array.is_valid()) return {name, nullptr, nullptr, 0};
  return {name, const_cast<void*>(static_cast<const void*>(array.data())), array.shape_ptr(), array.ndim()};
}

// The lists of arguments.h as parameters, arrays and arguments with names.
#define UNROLLED_INPUT(name, type, presence) , const NumPyArray<const type>& name
#define UNROLLED_RESULT(name, type, presence) , const NumPyResult& name
#define UNROLLED_GRADIENT(name, type, presence) , const NumPyResult& name##_gradient
#define UNROLLED_ARRAY(name, type, presence) from_python(#name, name),
#define UNROLLED_COTANGENT_ARRAY(name, type, presence) from_python(#name " cotangent", name),
#define UNROLLED_GRADIENT_ARRAY(name, type, presence) from_python(#name " gradient", name##_gradient),
#define UNROLLED_ARGUMENT(name, type, presence) , array_argument(#name)
#define UNROLLED_COTANGENT_ARGUMENT(name, type, presence) , array_argument(#name)
#define UNROLLED_GRADIENT_ARGUMENT(name, type, presence) , array_argument(#name "_gradient")

void forward_for_python(const Recurrence& recurrence UNROLLED_INPUTS(UNROLLED_INPUT) UNROLLED_RESULTS(UNROLLED_RESULT),
                        const NumPyResult& tape) {
  const ForwardCall call(recurrence, {UNROLLED_INPUTS(UNROLLED_ARRAY)}, {UNROLLED_RESULTS(UNROLLED_ARRAY)},
                         from_python("tape", tape));
  nb::gil_scoped_release release;
  call.run();
}

void backward_for_python(const Recurrence& recurrence UNROLLED_INPUTS(UNROLLED_INPUT),
                         const NumPyFloats& tape UNROLLED_RESULTS(UNROLLED_INPUT)
                             UNROLLED_DIFFERENTIABLE_INPUTS(UNROLLED_GRADIENT)) {
  const BackwardCall call(recurrence, {UNROLLED_INPUTS(UNROLLED_ARRAY)}, from_python("tape", tape),
                          {UNROLLED_RESULTS(UNROLLED_COTANGENT_ARRAY)},
                          {UNROLLED_DIFFERENTIABLE_INPUTS(UNROLLED_GRADIENT_ARRAY)});
  nb::gil_scoped_release release;
  call.run();
}

// A stream and the arrays of its state, which it keeps alive.
class PythonStream {
 public:
  PythonStream(const Recurrence& recurrence, const NumPyFloats& kernel, const NumPyFloats& recurrent_kernel,
               const NumPyFloats& bias, const NumPyResult& h, const NumPyResult& c)
      : h_(h), c_(c) {
    check_recurrence(recurrence);
    check_matrix(from_python("kernel", kernel), "kernel [F, G*H]");
    check_matrix(from_python("h", h), "h [B, H]");
    const Sizes sizes{static_cast<int64_t>(h.shape(0)), 1, static_cast<int64_t>(kernel.shape(0)),
                      static_cast<int64_t>(h.shape(1))};
    const int64_t columns = gate_count(recurrence) * sizes.units;
    check_array(from_python("kernel", kernel), {sizes.features, columns});
    check_array(from_python("recurrent_kernel", recurrent_kernel), {sizes.units, columns});
    check_cell_state(from_python("c", c), recurrence, sizes);
    if (recurrence.cell == Cell::lstm) check_array(from_python("c", c), {sizes.batch, sizes.units});
    batch_ = sizes.batch;
    features_ = sizes.features;
    is_long_ = batch_ * columns * (features_ + sizes.units) > kLongStep;
    stream_.reset(open_stream(recurrence, batch_, features_, sizes.units, kernel.data(), recurrent_kernel.data(),
                              check_bias(from_python("bias", bias), recurrence, sizes.units)));
  }

  void step(const NumPyFloats& inputs) {
    const auto* x = static_cast<const float*>(check_array(from_python("inputs", inputs), {batch_, features_}));
    if (!is_long_) return stream_->step(x, h_.data(), c());
    nb::gil_scoped_release release;
    stream_->step(x, h_.data(), c());
  }

 private:
  // Multiplications that take about as long as Python's switch interval. A shorter step does not release the GIL,
  // because the thread might wait for a thousand steps until it acquires it again.
  static constexpr int64_t kLongStep = 50'000'000;

  static void check_matrix(const Array& array, const char* expected) {
    if (array.rank != 2 || array.shape[0] < 1 || array.shape[1] < 1) throw_unexpected(array, expected);
  }

  float* c() const { return c_.is_valid() ? c_.data() : nullptr; }

  NumPyResult h_, c_;
  int64_t batch_, features_;
  bool is_long_;
  std::unique_ptr<Stream> stream_;
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

nb::tuple supported_targets() {
  nb::list list;
  for (const char* const* name = targets(); *name; ++name) list.append(*name);
  return nb::tuple(list);
}

// Without conversion: the copy of an output would be written instead of the output.
// None is accepted for every array, and refused with its name where one is required.
auto array_argument(const char* name) { return nb::arg(name).noconvert().none(); }

}  // namespace
}  // namespace unrolled

NB_MODULE(_extension, m) {
  using namespace unrolled;
  m.doc() = "The C++ kernels. Call them through unrolled.kernels.native.";
  // Objects that are still alive when Python exits, such as a cached Recurrence, are not leaks.
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
  m.def("forward", &forward_for_python,
        nb::arg("recurrence") UNROLLED_INPUTS(UNROLLED_ARGUMENT) UNROLLED_RESULTS(UNROLLED_ARGUMENT),
        array_argument("tape"));
  m.def("backward", &backward_for_python, nb::arg("recurrence") UNROLLED_INPUTS(UNROLLED_ARGUMENT),
        array_argument("tape") UNROLLED_RESULTS(UNROLLED_COTANGENT_ARGUMENT)
            UNROLLED_DIFFERENTIABLE_INPUTS(UNROLLED_GRADIENT_ARGUMENT));
  m.def("register_with_tensorflow", &register_with_tensorflow, nb::arg("library"));
  m.def("set_threads", &set_threads, nb::arg("count"));
  m.def("threads", &threads);
  m.def("share_threads", &share_threads, nb::arg("library"));
  m.def("isa", &target);
  m.def("isas", &supported_targets);
  m.def("set_isa", &set_target, nb::arg("name"));

  nb::class_<PythonStream>(m, "Stream")
      .def(nb::init<const Recurrence&, const NumPyFloats&, const NumPyFloats&, const NumPyFloats&, const NumPyResult&,
                    const NumPyResult&>(),
           nb::arg("recurrence"), array_argument("kernel"), array_argument("recurrent_kernel"), array_argument("bias"),
           array_argument("h"), array_argument("c"))
      .def("step", &PythonStream::step, array_argument("inputs"));
}
