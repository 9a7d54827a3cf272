"""Losses that Keras lacks: for classes of unequal size, for segmentation, for embeddings.

Labels are class numbers or one-hot; how they meet the output is in `hornbeam.components.outputs`. Leaves losses for
numbers to predict to `hornbeam.components.regression_losses`.
"""

from typing import Annotated, Any

import keras
from keras import ops
from pydantic import Field

from hornbeam.components.outputs import class_targets, probabilities
from hornbeam.components.registry import register_loss

_FAR_BELOW = -1e9
"""In place of minus infinity, whose gradient is not a number."""


@register_loss
class FocalTversky(keras.losses.Loss):  # type: ignore[misc]
    """The focal Tversky loss, for segmentation and classes of which one is rare.

    With TP, FN and FP summed over the pixels of a class, its Tversky index is
    T = (TP + smooth) / (TP + alpha FN + beta FP + smooth), and the loss is the mean of (1 - T)^(1 / gamma) over the
    classes. Keras's Tversky has no gamma, and there alpha weighs the false positives.

    Source: Abraham & Khan (2019), "A Novel Focal Tversky loss function with improved Attention U-Net for lesion
    segmentation", arXiv:1810.07842. The paper adds the classes up.

    Args:
        alpha: Weight of the false negatives.
        beta: Weight of the false positives.
        gamma: Above 1 the loss turns to examples with a poor index.
        smooth: Added above and below, so that a class without a pixel has an index.
        per_image: Whether each example has an index of its own; else there is one over the whole batch, of which
            weights of rows and classes pick nothing out.
        from_logits: Whether the output is logits; else it is probabilities.
    """

    def __init__(
        self,
        alpha: Annotated[float, Field(ge=0)] = 0.7,
        beta: Annotated[float, Field(ge=0)] = 0.3,
        gamma: Annotated[float, Field(ge=1)] = 4 / 3,
        smooth: Annotated[float, Field(gt=0)] = 1.0,
        per_image: bool = False,
        from_logits: bool = False,
        reduction: str = "sum_over_batch_size",
        name: str = "focal_tversky",
        dtype: str | None = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.alpha = alpha
        self.beta = beta
        self.gamma = gamma
        self.smooth = smooth
        self.per_image = per_image
        self.from_logits = from_logits

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """One number for each example; a single one unless `per_image`."""
        truth = class_targets(y_true, y_pred)
        predicted = probabilities(y_pred, self.from_logits)
        pixels = tuple(range(1 if self.per_image else 0, len(y_pred.shape) - 1))
        hits = ops.sum(truth * predicted, axis=pixels)
        misses = ops.sum(truth * (1 - predicted), axis=pixels)
        false_alarms = ops.sum((1 - truth) * predicted, axis=pixels)
        index = (hits + self.smooth) / (hits + self.alpha * misses + self.beta * false_alarms + self.smooth)
        # The power of 0 has an infinite gradient.
        lost = ops.maximum(1 - index, keras.config.epsilon())
        return ops.mean(ops.power(lost, 1 / self.gamma), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """The parameters."""
        return {
            **super().get_config(),
            "alpha": self.alpha,
            "beta": self.beta,
            "gamma": self.gamma,
            "smooth": self.smooth,
            "per_image": self.per_image,
            "from_logits": self.from_logits,
        }


@register_loss
class LovaszHinge(keras.losses.Loss):  # type: ignore[misc]
    """The Lovász hinge: the surrogate of the Jaccard index (intersection over union) for two classes.

    The errors 1 - s f, with the score f and s = 1 for foreground and -1 for background, are sorted from the largest
    down and weighed by how much each adds to the Jaccard loss of the set of errors so far. A batch or image without
    foreground has its largest error as its loss.

    Source: Berman, Triki & Blaschko (2018), "The Lovász-Softmax loss: a tractable surrogate for the optimization of
    the intersection-over-union measure in neural networks", arXiv:1705.08790.

    Args:
        per_image: Whether each example has an index of its own; else there is one over the whole batch. With one
            number for each example it must be off: there would be nothing to sort.
        from_logits: Whether the output is scores that are cut at 0, such as logits; else it is probabilities, whose
            logits are the scores.
    """

    def __init__(
        self,
        per_image: bool = False,
        from_logits: bool = True,
        reduction: str = "sum_over_batch_size",
        name: str = "lovasz_hinge",
        dtype: str | None = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.per_image = per_image
        self.from_logits = from_logits

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """One number for each example; a single one unless `per_image`."""
        if y_pred.shape[-1] != 1:
            raise ValueError(f"LovaszHinge wants one number for each label; the output's shape is {y_pred.shape}.")
        examples = ops.shape(y_pred)[0] if self.per_image else 1
        truth = ops.reshape(class_targets(y_true, y_pred), (examples, -1))
        scores = ops.reshape(y_pred if self.from_logits else _logits(y_pred), (examples, -1))
        errors = 1 - scores * (2 * truth - 1)
        worst_first = ops.argsort(-errors, axis=-1)
        errors = ops.take_along_axis(errors, worst_first, axis=-1)
        weights = _jaccard_steps(ops.take_along_axis(truth, worst_first, axis=-1))
        losses = ops.sum(ops.relu(errors) * weights, axis=-1)
        return losses if self.per_image else losses[0]

    def get_config(self) -> dict[str, Any]:
        """The parameters."""
        return {**super().get_config(), "per_image": self.per_image, "from_logits": self.from_logits}


@register_loss
class SmoothedFocalCrossentropy(keras.losses.Loss):  # type: ignore[misc]
    """The focal crossentropy over several classes with smoothed labels, from class numbers or one-hot labels.

    The sum of -t (1 - p)^gamma log p over the K classes, where t is the one-hot label times (1 - label_smoothing)
    plus label_smoothing / K. Keras's CategoricalFocalCrossentropy takes one-hot labels only.

    Sources: Lin, Goyal, Girshick, He & Dollár (2017), "Focal Loss for Dense Object Detection", arXiv:1708.02002;
    Szegedy, Vanhoucke, Ioffe, Shlens & Wojna (2016), "Rethinking the Inception Architecture for Computer Vision",
    arXiv:1512.00567.

    Args:
        gamma: The larger, the less examples count that the model is sure of; 0 is the plain crossentropy.
        label_smoothing: The share of each label that is spread over all classes.
        from_logits: Whether the output is logits; else it is probabilities.
    """

    def __init__(
        self,
        gamma: Annotated[float, Field(ge=0)] = 2.0,
        label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1,
        from_logits: bool = False,
        reduction: str = "sum_over_batch_size",
        name: str = "smoothed_focal_crossentropy",
        dtype: str | None = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.gamma = gamma
        self.label_smoothing = label_smoothing
        self.from_logits = from_logits

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The output's shape without its last axis."""
        classes = y_pred.shape[-1]
        if classes == 1:
            raise ValueError("One number for each label tells two classes apart: use BinaryFocalCrossentropy.")
        truth = class_targets(y_true, y_pred) * (1 - self.label_smoothing) + self.label_smoothing / classes
        logs = _log_probabilities(y_pred, self.from_logits)
        # 1 - p. Its power has an infinite gradient at 0 where gamma is below 1.
        unsure = ops.maximum(-ops.expm1(logs), keras.config.epsilon())
        return -ops.sum(truth * ops.power(unsure, self.gamma) * logs, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """The parameters."""
        return {
            **super().get_config(),
            "gamma": self.gamma,
            "label_smoothing": self.label_smoothing,
            "from_logits": self.from_logits,
        }


@register_loss
class ClassBalancedFocal(keras.losses.Loss):  # type: ignore[misc]
    """The focal loss, with each class weighed by the effective number of its examples.

    An example of a class with n examples weighs (1 - beta) / (1 - beta^n); the weights are scaled to add up to the
    number of classes. The loss is the weight times the sum of -(1 - p)^gamma log p over the outputs, where p is an
    output's probability for the label's class and one minus it for the others: each output decides by itself.

    Source: Cui, Jia, Lin, Song & Belongie (2019), "Class-Balanced Loss Based on Effective Number of Samples",
    arXiv:1901.05555.

    Args:
        samples_per_class: How many training examples each class has, by class number.
        beta: 0 weighs all classes alike; close to 1 they weigh the inverse of their examples.
        gamma: The larger, the less examples count that the model is sure of; 0 is the crossentropy.
        from_logits: Whether the output is logits, whose sigmoids are the probabilities; else it is probabilities.
    """

    def __init__(
        self,
        samples_per_class: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=2, max_length=10_000)],
        beta: Annotated[float, Field(ge=0, lt=1)] = 0.999,
        gamma: Annotated[float, Field(ge=0)] = 2.0,
        from_logits: bool = False,
        reduction: str = "sum_over_batch_size",
        name: str = "class_balanced_focal",
        dtype: str | None = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.samples_per_class = list(samples_per_class)
        self.beta = beta
        self.gamma = gamma
        self.from_logits = from_logits
        self._weights = _effective_number_weights(self.samples_per_class, beta)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The output's shape without its last axis."""
        truth = class_targets(y_true, y_pred)
        logits = y_pred if self.from_logits else _logits(y_pred)
        log_yes, log_no = ops.log_sigmoid(logits), ops.log_sigmoid(-logits)
        # exp(gamma log(1 - p)) is (1 - p)^gamma with a gradient everywhere.
        yes = ops.exp(self.gamma * log_no) * log_yes
        no = ops.exp(self.gamma * log_yes) * log_no
        return -self._weight(truth) * ops.sum(truth * yes + (1 - truth) * no, axis=-1)

    def _weight(self, truth: Any) -> Any:
        """The weight of each label. Raises ValueError where there is not one for each class."""
        classes = max(truth.shape[-1], 2)
        if classes != len(self._weights):
            known = len(self._weights)
            raise ValueError(f"samples_per_class has {known} numbers, and the output tells {classes} classes apart.")
        if truth.shape[-1] == 1:
            truth = ops.concatenate([1 - truth, truth], axis=-1)
        return ops.sum(truth * ops.convert_to_tensor(self._weights, dtype=truth.dtype), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """The parameters."""
        return {
            **super().get_config(),
            "samples_per_class": self.samples_per_class,
            "beta": self.beta,
            "gamma": self.gamma,
            "from_logits": self.from_logits,
        }


@register_loss
class SupervisedContrastive(keras.losses.Loss):  # type: ignore[misc]
    """The supervised contrastive loss: rows of one class attract each other, and repel all others in the batch.

    With the rows z scaled to length 1, P the other rows of a row's class, and A all other rows, a row's loss is the
    mean over p in P of -log(exp(z.p / temperature) / sum over a in A of exp(z.a / temperature)). A row that is the
    only one of its class in the batch counts 0. The output is an embedding, (batch, size); labels are class numbers.

    Source: Khosla et al. (2020), "Supervised Contrastive Learning", arXiv:2004.11362, its loss "out".

    Args:
        temperature: Small values let the nearest rows of other classes count most.
    """

    def __init__(
        self,
        temperature: Annotated[float, Field(ge=1e-4)] = 0.1,
        reduction: str = "sum_over_batch_size",
        name: str = "supervised_contrastive",
        dtype: str | None = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.temperature = temperature

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """One number for each row."""
        if len(y_pred.shape) != 2 or tuple(y_true.shape[1:]) not in ((), (1,)):
            raise ValueError(
                "SupervisedContrastive wants one embedding and one class number for each row; the output's shape "
                f"is {tuple(y_pred.shape)}, that of the labels {tuple(y_true.shape)}."
            )
        labels = ops.reshape(y_true, (-1,))
        rows = ops.arange(ops.shape(y_pred)[0], dtype="int32")
        itself = rows[:, None] == rows[None, :]
        unit = _scaled_to_one(y_pred)
        similarities = ops.matmul(unit, ops.transpose(unit)) / self.temperature
        similarities = ops.where(itself, _FAR_BELOW, similarities)
        log_shares = similarities - ops.logsumexp(similarities, axis=-1, keepdims=True)
        positive = ops.logical_and(labels[:, None] == labels[None, :], ops.logical_not(itself))
        positives = ops.sum(ops.cast(positive, y_pred.dtype), axis=-1)
        return -ops.sum(ops.where(positive, log_shares, 0.0), axis=-1) / ops.maximum(positives, 1)

    def get_config(self) -> dict[str, Any]:
        """The parameters."""
        return {**super().get_config(), "temperature": self.temperature}


def _jaccard_steps(truth: Any) -> Any:
    """How much each label, in this order, adds to the Jaccard loss if it and those before it are wrong."""
    foreground = ops.sum(truth, axis=-1, keepdims=True)
    intersection = foreground - ops.cumsum(truth, axis=-1)
    union = foreground + ops.cumsum(1 - truth, axis=-1)
    jaccard = 1 - intersection / union
    return ops.concatenate([jaccard[:, :1], jaccard[:, 1:] - jaccard[:, :-1]], axis=-1)


def _log_probabilities(y_pred: Any, from_logits: bool) -> Any:
    """The logarithms of probabilities that add up to 1 over the last axis."""
    if from_logits:
        return ops.log_softmax(y_pred, axis=-1)
    epsilon = keras.config.epsilon()
    total = ops.maximum(ops.sum(y_pred, axis=-1, keepdims=True), epsilon)
    return ops.log(ops.clip(y_pred / total, epsilon, 1 - epsilon))


def _logits(chances: Any) -> Any:
    """The logits of probabilities, which are kept a little off 0 and 1."""
    epsilon = keras.config.epsilon()
    chances = ops.clip(chances, epsilon, 1 - epsilon)
    return ops.log(chances) - ops.log1p(-chances)


def _scaled_to_one(rows: Any) -> Any:
    """Rows of length 1; a row of zeros stays one, with a finite gradient, which `ops.normalize` does not give."""
    squares = ops.sum(ops.square(rows), axis=-1, keepdims=True)
    return rows * ops.rsqrt(ops.maximum(squares, keras.config.epsilon() ** 2))


def _effective_number_weights(samples_per_class: list[int], beta: float) -> list[float]:
    """Weights of the classes that add up to their number."""
    weights = [(1 - beta) / (1 - beta**count) for count in samples_per_class]
    return [weight * len(weights) / sum(weights) for weight in weights]
