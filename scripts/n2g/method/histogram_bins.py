"""The bins in which activations are counted: eight per power of ten, from 0.001 to 1,000, on either side of zero."""

import numpy as np

EDGES = np.concatenate([-(10.0 ** np.arange(3, -3.01, -0.125)), 10.0 ** np.arange(-3, 3.01, 0.125)])
