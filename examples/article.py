"""The article's program: an LSTM network classifies MNIST digits, reading one row of pixels per time step.

Two lines differ from plain Keras: the LSTM is unrolled's, and so is the copy of MNIST, which needs no download. Run it
on another backend with KERAS_BACKEND=tensorflow or KERAS_BACKEND=torch.
"""

from unrolled import load
from unrolled.layers import LSTM

import keras
from keras.layers import Dense, Dropout

mnist = load("mnist")
(x_train, y_train), (x_test, y_test) = mnist.train, mnist.test

x_train = x_train / 255.0
x_test = x_test / 255.0

model = keras.Sequential()
model.add(keras.Input(x_train.shape[1:]))
model.add(LSTM(128, activation="relu", return_sequences=True))
model.add(Dropout(0.2))
model.add(LSTM(128, activation="relu"))
model.add(Dropout(0.1))
model.add(Dense(32, activation="relu"))
model.add(Dropout(0.2))
model.add(Dense(10, activation="softmax"))

model.compile(
    optimizer=keras.optimizers.Adam(learning_rate=1e-3),
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
)
model.fit(x_train, y_train, epochs=3, validation_data=(x_test, y_test))
