"""Names from earlier versions of Keras, from articles and from other libraries, and what they are called now."""

from collections.abc import Mapping

PARAMETERS: Mapping[str, str] = {
    "W_constraint": "kernel_constraint",
    "W_regularizer": "kernel_regularizer",
    "b1": "beta_1",
    "b2": "beta_2",
    "b_constraint": "bias_constraint",
    "b_regularizer": "bias_regularizer",
    "beta1": "beta_1",
    "beta2": "beta_2",
    "border_mode": "padding",
    "dim_ordering": "data_format",
    "dropout_U": "recurrent_dropout",
    "dropout_W": "dropout",
    "dropout_rate": "rate",
    "eps": "epsilon",
    "filter_length": "kernel_size",
    "hidden_size": "units",
    "init": "kernel_initializer",
    "inner_activation": "recurrent_activation",
    "inner_init": "recurrent_initializer",
    "kernel": "kernel_size",
    "lr": "learning_rate",
    "nb_filter": "filters",
    "num_units": "units",
    "out_channels": "filters",
    "out_features": "units",
    "output_dim": "units",
    "p": "rate",
    "pool_length": "pool_size",
    "shape": "target_shape",
    "slope": "negative_slope",
    "subsample": "strides",
    "subsample_length": "strides",
}
"""Parameters; one counts only where the component has a parameter of the new name."""

PARAMETER_ADVICE: Mapping[str, str] = {
    "batch_input_shape": "Write model.input_shape, without the batch.",
    "batch_shape": "Write model.input_shape, without the batch.",
    "decay": "Give learning_rate a schedule: {type: InverseTimeDecay, …}.",
    "input_dim": "Leave it out: the input's shape comes from the dataset.",
    "input_length": "Leave it out: the input's shape comes from the dataset.",
    "schedule_decay": "Give learning_rate a schedule: {type: InverseTimeDecay, …}.",
    "weights": "Weights cannot be sent; initializers can be chosen.",
}
"""Parameters that have gone, and what to do instead."""

TYPES: Mapping[str, str] = {
    "BatchNorm": "BatchNormalization",
    "BatchNorm1d": "BatchNormalization",
    "BatchNorm2d": "BatchNormalization",
    "Conv1d": "Conv1D",
    "Conv2d": "Conv2D",
    "CrossEntropyLoss": "SparseCategoricalCrossentropy",
    "CuDNNGRU": "GRU",
    "CuDNNLSTM": "LSTM",
    "Linear": "Dense",
    "MSELoss": "MeanSquaredError",
    "ThresholdedReLU": "ReLU",
    "logcosh": "log_cosh",
    "xavier_uniform": "glorot_uniform",
}
"""Components; one counts only for a kind that has the new name."""

TYPE_ADVICE: Mapping[str, str] = {
    "Input": "Write model.input_shape, or leave it to the dataset.",
    "ce": "Use sparse_categorical_crossentropy for class numbers, binary_crossentropy for one unit with a sigmoid.",
    "crossentropy": (
        "Use sparse_categorical_crossentropy for class numbers, binary_crossentropy for one unit with a sigmoid."
    ),
    "f1": "Use {type: F1Score, average: macro}.",
}
"""Components that have gone, or say too little, and what to do instead."""
