"""An execution of `fit` in, the optimizer's step out."""

import keras


class Stepwise(keras.callbacks.Callback):
    """Calls `at_step(step, logs)` after each execution of `fit`.

    The step is the optimizer's, which counts those of the whole run, a
    resumed one included; `fit` may take several at a time.
    """

    def on_train_batch_end(self, batch, logs=None):
        self.at_step(int(self.model.optimizer.iterations.numpy()), logs)
