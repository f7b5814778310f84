#include <dlfcn.h>

#include <array>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>

#include "bindings/arguments.h"
#include "bindings/frameworks.h"
#include "bindings/tensorflow_api.h"

namespace unrolled {
namespace {

// Runs `work`; what it throws becomes a status for `report`, because no exception may reach TensorFlow.
template <class Work, class Report>
void answer(const Work& work, const Report& report) {
  const Status status;
  try {
    return work();
  } catch (const std::invalid_argument& error) {
    status.set(kInvalidArgument, error.what());
  } catch (const std::bad_alloc&) {
    status.set(kResourceExhausted, "native kernel: out of memory.");
  } catch (const std::exception& error) {
    status.set(kInternal, error.what());
  }
  report(status);
}

// A tensor for as long as an operation runs.
class Tensor {
 public:
  Tensor() = default;
  ~Tensor() {
    if (tensor_ != nullptr) tf.DeleteTensor(tensor_);
  }
  Tensor(const Tensor&) = delete;
  Tensor& operator=(const Tensor&) = delete;

  void get_input(TF_OpKernelContext* context, int index) {
    const Status status;
    tf.GetInput(context, index, &tensor_, status);
    status.check();
    rank_ = static_cast<size_t>(tf.NumDims(tensor_));
    if (rank_ > shape_.size())
      throw std::invalid_argument("native kernel: expected arrays of at most 3 axes, got more.");
    for (size_t axis = 0; axis < rank_; ++axis) shape_[axis] = tf.Dim(tensor_, static_cast<int>(axis));
  }

  void allocate(TF_OpKernelContext* context, int index, const int64_t* shape, size_t rank) {
    size_t bytes = sizeof(float);
    for (size_t axis = 0; axis < rank; ++axis) bytes *= static_cast<size_t>(shape_[axis] = shape[axis]);
    rank_ = rank;
    const Status status;
    tensor_ = tf.AllocateOutput(context, index, kFloat, shape, static_cast<int>(rank), bytes, status);
    status.check();
  }

  void allocate(TF_OpKernelContext* context, int index, std::initializer_list<int64_t> shape) {
    allocate(context, index, shape.begin(), shape.size());
  }

  Array array(const char* name) const { return {name, tf.TensorData(tensor_), shape_.data(), rank_}; }
  const int64_t* shape() const { return shape_.data(); }
  size_t rank() const { return rank_; }

 private:
  TF_Tensor* tensor_ = nullptr;
  std::array<int64_t, 3> shape_{};
  size_t rank_ = 0;
};

// The tensors that an operation begins with.
struct InputTensors {
  explicit InputTensors(TF_OpKernelContext* context) {
    for (int i = 0; i < kInputs; ++i) all[i].get_input(context, i);
  }

  InputArrays arrays() const {
    return {all[0].array("sequences"), all[1].array("kernel"),        all[2].array("recurrent_kernel"),
            all[3].array("bias"),      all[4].array("initial_h"),     all[5].array("initial_c"),
            all[6].array("mask"),      all[7].array("input_dropout"), all[8].array("recurrent_dropout")};
  }

  Tensor all[kInputs];
};

// The attributes of an operation.
struct Settings {
  explicit Settings(TF_OpKernelConstruction* construction) : construction_(construction) {
    recurrence.cell = static_cast<Cell>(number("cell"));
    recurrence.activation = static_cast<Activation>(number("activation"));
    recurrence.recurrent_activation = static_cast<Activation>(number("recurrent_activation"));
    recurrence.reset_after = is_set("reset_after");
    recurrence.go_backwards = is_set("go_backwards");
    recurrence.return_sequences = is_set("return_sequences");
    recurrence.zero_output_for_mask = is_set("zero_output_for_mask");
  }

  int32_t number(const char* name) const {
    const Status status;
    int32_t value = 0;
    tf.OpKernelConstruction_GetAttrInt32(construction_, name, &value, status);
    status.check();
    return value;
  }

  bool is_set(const char* name) const {
    const Status status;
    unsigned char value = 0;
    tf.OpKernelConstruction_GetAttrBool(construction_, name, &value, status);
    status.check();
    return value != 0;
  }

  Recurrence recurrence{};

 private:
  TF_OpKernelConstruction* construction_;
};

struct ForwardOperation {
  explicit ForwardOperation(const Settings& settings)
      : recurrence(settings.recurrence), keeps_tape(settings.is_set("keeps_tape")) {}

  void compute(TF_OpKernelContext* context) const {
    const InputTensors inputs(context);
    const Sizes sizes = check_sizes(recurrence, inputs.arrays());
    const bool has_c = recurrence.cell == Cell::lstm;
    Tensor outputs, h, c, tape;
    outputs.allocate(context, 0, {sizes.batch, recurrence.return_sequences ? sizes.time : 1, sizes.units});
    h.allocate(context, 1, {sizes.batch, sizes.units});
    has_c ? c.allocate(context, 2, {sizes.batch, sizes.units}) : c.allocate(context, 2, {0});
    tape.allocate(context, 3, {keeps_tape ? checked_tape_size(recurrence, sizes) : 0});
    ForwardCall(recurrence, inputs.arrays(), {outputs.array("outputs"), h.array("h"), c.array("c")}, tape.array("tape"))
        .run();
  }

  Recurrence recurrence;
  bool keeps_tape;
};

struct BackwardOperation {
  explicit BackwardOperation(const Settings& settings)
      : recurrence(settings.recurrence), wanted(settings.number("wanted")) {}

  void compute(TF_OpKernelContext* context) const {
    const InputTensors inputs(context);
    Tensor tape, outputs, h, c, gradients[kGradients];
    tape.get_input(context, kInputs);
    outputs.get_input(context, kInputs + 1);
    h.get_input(context, kInputs + 2);
    c.get_input(context, kInputs + 3);
    for (int i = 0; i < kGradients; ++i) {
      // An array has as many axes as its gradient.
      const bool is_wanted = (wanted >> i & 1) != 0;
      is_wanted ? gradients[i].allocate(context, i, inputs.all[i].shape(), inputs.all[i].rank())
                : gradients[i].allocate(context, i, {0});
    }
    BackwardCall(recurrence, inputs.arrays(), tape.array("tape"),
                 {outputs.array("outputs cotangent"), h.array("h cotangent"), c.array("c cotangent")},
                 {gradients[0].array("sequences gradient"), gradients[1].array("kernel gradient"),
                  gradients[2].array("recurrent_kernel gradient"), gradients[3].array("bias gradient"),
                  gradients[4].array("initial_h gradient"), gradients[5].array("initial_c gradient")})
        .run();
  }

  Recurrence recurrence;
  int32_t wanted;
};

template <class Operation>
void* create(TF_OpKernelConstruction* construction) {
  void* made = nullptr;
  answer([&] { made = new Operation(Settings(construction)); },
         [&](TF_Status* status) { tf.OpKernelConstruction_Failure(construction, status); });
  return made;
}

template <class Operation>
void compute(void* operation, TF_OpKernelContext* context) {
  answer([&] { static_cast<const Operation*>(operation)->compute(context); },
         [&](TF_Status* status) { tf.OpKernelContext_Failure(context, status); });
}

template <class Operation>
void destroy(void* operation) {
  delete static_cast<Operation*>(operation);
}

// What the shapes are is said in Python, where the recurrence is known.
void leave_shapes_open(TF_ShapeInferenceContext* context, TF_Status* status) {
  tf.ShapeInferenceContextSetUnknownShape(context, status);
}

using Specifications = std::initializer_list<const char*>;

template <class Operation>
void register_operation(const char* name, Specifications inputs, Specifications outputs, const char* attribute) {
  TF_OpDefinitionBuilder* const definition = tf.NewOpDefinitionBuilder(name);
  for (const char* array : {"sequences", "kernel", "recurrent_kernel", "bias", "initial_h", "initial_c"})
    tf.OpDefinitionBuilderAddInput(definition, (std::string(array) + ": float").c_str());
  for (const char* array : {"mask: bool", "input_dropout: float", "recurrent_dropout: float"})
    tf.OpDefinitionBuilderAddInput(definition, array);
  for (const char* input : inputs) tf.OpDefinitionBuilderAddInput(definition, input);
  for (const char* output : outputs) tf.OpDefinitionBuilderAddOutput(definition, output);
  for (const char* field : {"cell: int", "activation: int", "recurrent_activation: int", "reset_after: bool",
                            "go_backwards: bool", "return_sequences: bool", "zero_output_for_mask: bool"})
    tf.OpDefinitionBuilderAddAttr(definition, field);
  tf.OpDefinitionBuilderAddAttr(definition, attribute);
  tf.OpDefinitionBuilderSetShapeInferenceFunction(definition, leave_shapes_open);
  const Status status;
  tf.RegisterOpDefinition(definition, status);
  status.check();
  TF_KernelBuilder* const kernel =
      tf.NewKernelBuilder(name, "CPU", create<Operation>, compute<Operation>, destroy<Operation>);
  tf.RegisterKernelBuilder(name, kernel, status);
  status.check();
}

}  // namespace

void register_with_tensorflow(const std::string& library) {
  static std::mutex mutex;
  static bool is_registered = false;
  const std::lock_guard<std::mutex> lock(mutex);
  if (is_registered) return;
  void* const loaded = dlopen(library.c_str(), RTLD_LAZY | RTLD_NOLOAD);
  if (loaded == nullptr) throw std::runtime_error("it is not loaded");
  tf.look_up(loaded);
  register_operation<ForwardOperation>("UnrolledForward", {}, {"outputs: float", "h: float", "c: float", "tape: float"},
                                       "keeps_tape: bool");
  register_operation<BackwardOperation>(
      "UnrolledBackward", {"tape: float", "outputs_cotangent: float", "h_cotangent: float", "c_cotangent: float"},
      {"sequences_gradient: float", "kernel_gradient: float", "recurrent_kernel_gradient: float",
       "bias_gradient: float", "initial_h_gradient: float", "initial_c_gradient: float"},
      "wanted: int");
  is_registered = true;
}

}  // namespace unrolled
