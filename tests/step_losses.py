"""A training in, the loss of each of its steps by itself out."""

import keras


class StepLosses(keras.callbacks.Callback):
    """Collects the losses, `fit` running one step at a time."""

    def __init__(self):
        super().__init__()
        self.losses = []

    def on_train_batch_end(self, batch, logs=None):
        self.losses.append(float(logs["loss"]))
        self.model.reset_metrics()
