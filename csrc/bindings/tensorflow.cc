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

// The lists of arguments.h as arrays of consecutive tensors, and as specifications of an operation's tensors. The
// elements of a braced list are evaluated in order.
#define UNROLLED_ARRAY(name, type, presence) (tensor++)->array(#name),
#define UNROLLED_COTANGENT_ARRAY(name, type, presence) (cotangent++)->array(#name " cotangent"),
#define UNROLLED_GRADIENT_ARRAY(name, type, presence) (gradient++)->array(#name " gradient"),
#define UNROLLED_SPECIFICATION(name, type, presence) #name ": " #type,
#define UNROLLED_COTANGENT_SPECIFICATION(name, type, presence) #name "_cotangent: float",
#define UNROLLED_GRADIENT_SPECIFICATION(name, type, presence) #name "_gradient: float",

// Runs `work` and passes an exception as a status to `report`, because none may reach TensorFlow.
template <class Work, class Report>
void run_and_report(const Work& work, const Report& report) {
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

// Owns a tensor while an operation runs.
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

// The first tensors of an operation.
struct InputTensors {
  explicit InputTensors(TF_OpKernelContext* context) {
    for (int i = 0; i < kInputs; ++i) all[i].get_input(context, i);
  }

  InputArrays arrays() const {
    const Tensor* tensor = all;
    return {UNROLLED_INPUTS(UNROLLED_ARRAY)};
  }

  Tensor all[kInputs];
};

// The attributes of an operation.
struct Attributes {
  explicit Attributes(TF_OpKernelConstruction* construction) : construction_(construction) {
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
  explicit ForwardOperation(const Attributes& attributes)
      : recurrence(attributes.recurrence), keeps_tape(attributes.is_set("keeps_tape")) {}

  void compute(TF_OpKernelContext* context) const {
    const InputTensors inputs(context);
    const Sizes sizes = check_sizes(recurrence, inputs.arrays());
    const bool has_c = recurrence.cell == Cell::lstm;
    Tensor results[kResults], tape;
    results[0].allocate(context, 0, {sizes.batch, recurrence.return_sequences ? sizes.time : 1, sizes.units});
    results[1].allocate(context, 1, {sizes.batch, sizes.units});
    has_c ? results[2].allocate(context, 2, {sizes.batch, sizes.units}) : results[2].allocate(context, 2, {0});
    tape.allocate(context, kResults, {keeps_tape ? checked_tape_size(recurrence, sizes) : 0});
    const Tensor* tensor = results;
    const ForwardCall call(recurrence, inputs.arrays(), {UNROLLED_RESULTS(UNROLLED_ARRAY)}, tape.array("tape"));
    call.run();
  }

  Recurrence recurrence;
  bool keeps_tape;
};

struct BackwardOperation {
  explicit BackwardOperation(const Attributes& attributes)
      : recurrence(attributes.recurrence), wanted(attributes.number("wanted")) {}

  void compute(TF_OpKernelContext* context) const {
    const InputTensors inputs(context);
    Tensor tape, cotangents[kResults], gradients[kGradients];
    tape.get_input(context, kInputs);
    for (int i = 0; i < kResults; ++i) cotangents[i].get_input(context, kInputs + 1 + i);
    for (int i = 0; i < kGradients; ++i) {
      // A gradient has the shape of its input.
      const bool is_wanted = (wanted >> i & 1) != 0;
      is_wanted ? gradients[i].allocate(context, i, inputs.all[i].shape(), inputs.all[i].rank())
                : gradients[i].allocate(context, i, {0});
    }
    const Tensor *cotangent = cotangents, *gradient = gradients;
    const BackwardCall call(recurrence, inputs.arrays(), tape.array("tape"),
                            {UNROLLED_RESULTS(UNROLLED_COTANGENT_ARRAY)},
                            {UNROLLED_DIFFERENTIABLE_INPUTS(UNROLLED_GRADIENT_ARRAY)});
    call.run();
  }

  Recurrence recurrence;
  int32_t wanted;
};

template <class Operation>
void* create(TF_OpKernelConstruction* construction) {
  void* made = nullptr;
  run_and_report([&] { made = new Operation(Attributes(construction)); },
                 [&](TF_Status* status) { tf.OpKernelConstruction_Failure(construction, status); });
  return made;
}

template <class Operation>
void compute(void* operation, TF_OpKernelContext* context) {
  run_and_report([&] { static_cast<const Operation*>(operation)->compute(context); },
                 [&](TF_Status* status) { tf.OpKernelContext_Failure(context, status); });
}

template <class Operation>
void destroy(void* operation) {
  delete static_cast<Operation*>(operation);
}

// Python sets the shapes, because it knows the recurrence.
void set_unknown_shapes(TF_ShapeInferenceContext* context, TF_Status* status) {
  tf.ShapeInferenceContextSetUnknownShape(context, status);
}

using Specifications = std::initializer_list<const char*>;

template <class Operation>
void register_operation(const char* name, Specifications inputs, Specifications outputs, const char* attribute) {
  TF_OpDefinitionBuilder* const definition = tf.NewOpDefinitionBuilder(name);
  for (const char* input : {UNROLLED_INPUTS(UNROLLED_SPECIFICATION)}) tf.OpDefinitionBuilderAddInput(definition, input);
  for (const char* input : inputs) tf.OpDefinitionBuilderAddInput(definition, input);
  for (const char* output : outputs) tf.OpDefinitionBuilderAddOutput(definition, output);
  for (const char* field : {"cell: int", "activation: int", "recurrent_activation: int", "reset_after: bool",
                            "go_backwards: bool", "return_sequences: bool", "zero_output_for_mask: bool"})
    tf.OpDefinitionBuilderAddAttr(definition, field);
  tf.OpDefinitionBuilderAddAttr(definition, attribute);
  tf.OpDefinitionBuilderSetShapeInferenceFunction(definition, set_unknown_shapes);
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
  register_operation<ForwardOperation>("UnrolledForward", {}, {UNROLLED_RESULTS(UNROLLED_SPECIFICATION) "tape: float"},
                                       "keeps_tape: bool");
  register_operation<BackwardOperation>(
      "UnrolledBackward", {"tape: float", UNROLLED_RESULTS(UNROLLED_COTANGENT_SPECIFICATION)},
      {UNROLLED_DIFFERENTIABLE_INPUTS(UNROLLED_GRADIENT_SPECIFICATION)}, "wanted: int");
  is_registered = true;
}

}  // namespace unrolled
