"""What one writes without a service: the same training as `bench.train`'s job, in a process of its own."""

import sys

import keras
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

EPOCHS = 3


def main() -> None:
    """Train a small network on the digits and save it to the path in the arguments."""
    keras.utils.set_random_seed(7)
    images, labels = load_digits(return_X_y=True)
    x_train, x_val, y_train, y_val = train_test_split(images.astype("float32"), labels, test_size=0.2, random_state=7)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x_train, y_train, batch_size=32, epochs=EPOCHS, validation_data=(x_val, y_val), verbose=0)
    model.evaluate(x_val, y_val, verbose=0)
    model.save(sys.argv[1])


if __name__ == "__main__":
    main()
