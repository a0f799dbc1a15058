"""The papers' update rules in numpy, in float64: what the tests hold the optimizers to.

Each is a generator function `rule(w, rate, **arguments)`: send it a gradient, it yields the new weights.
Where a paper and Keras differ (the place of epsilon, a first accumulator), the convention is Keras' and a
comment says so.
"""

from __future__ import annotations

import numpy as np


def run(rule, w, gradients, *args, **kwargs):
    """Return the weights after each gradient."""
    steps = rule(np.array(w, "float64"), *args, **kwargs)
    next(steps)
    return [np.array(steps.send(np.array(g, "float64"))) for g in gradients]


def sgd(w, rate, momentum=0.0, nesterov=False):
    # Sutskever et al. 2013, equations 1 to 4, with the rate inside the velocity.
    v = np.zeros_like(w)
    g = yield
    while True:
        v = momentum * v - rate * g
        w = w + (momentum * v - rate * g if nesterov else v)
        g = yield w


def rmsprop(w, rate, rho=0.9, momentum=0.0, epsilon=1e-7, centered=False):
    # Tieleman and Hinton 2012; centered: Graves 2013, equations 38 to 41. Keras: epsilon under the root.
    square, mean, step = np.zeros_like(w), np.zeros_like(w), np.zeros_like(w)
    g = yield
    while True:
        square = rho * square + (1 - rho) * g**2
        mean = rho * mean + (1 - rho) * g
        variance = square - mean**2 if centered else square
        step = momentum * step + rate * g / np.sqrt(variance + epsilon)
        w = w - step
        g = yield w


def adagrad(w, rate, initial=0.1, epsilon=1e-7):
    # Duchi et al. 2011. Keras: the sum begins at 0.1, epsilon under the root.
    total = np.full_like(w, initial)
    g = yield
    while True:
        total = total + g**2
        w = w - rate * g / np.sqrt(total + epsilon)
        g = yield w


def adadelta(w, rate, rho=0.95, epsilon=1e-7):
    # Zeiler 2012, algorithm 1, times a rate.
    square, moved = np.zeros_like(w), np.zeros_like(w)
    g = yield
    while True:
        square = rho * square + (1 - rho) * g**2
        delta = -np.sqrt(moved + epsilon) / np.sqrt(square + epsilon) * g
        moved = rho * moved + (1 - rho) * delta**2
        w = w + rate * delta
        g = yield w


def adam(w, rate, beta_1=0.9, beta_2=0.999, epsilon=1e-7, amsgrad=False, decay=0.0):
    # Kingma and Ba 2015, section 2 (epsilon is their "epsilon hat"); AMSGrad: Reddi et al. 2018;
    # decay: Loshchilov and Hutter 2019, algorithm 2, before the step.
    m, v, largest, t = np.zeros_like(w), np.zeros_like(w), np.zeros_like(w), 0
    g = yield
    while True:
        t += 1
        w = w - rate * decay * w
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        largest = np.maximum(largest, v)
        used = largest if amsgrad else v
        w = w - rate * np.sqrt(1 - beta_2**t) / (1 - beta_1**t) * m / (np.sqrt(used) + epsilon)
        g = yield w


def adamax(w, rate, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    # Kingma and Ba 2015, algorithm 2; Keras adds an epsilon to u.
    m, u, t = np.zeros_like(w), np.zeros_like(w), 0
    g = yield
    while True:
        t += 1
        m = beta_1 * m + (1 - beta_1) * g
        u = np.maximum(beta_2 * u, np.abs(g))
        w = w - rate / (1 - beta_1**t) * m / (u + epsilon)
        g = yield w


def nadam(w, rate, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    # Dozat 2016, algorithm 8, with the momentum schedule of the report's section 3.
    m, v, t, product = np.zeros_like(w), np.zeros_like(w), 0, 1.0

    def momentum(t):
        return beta_1 * (1 - 0.5 * 0.96**t)

    g = yield
    while True:
        t += 1
        product *= momentum(t)
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        ahead = momentum(t + 1) * m / (1 - product * momentum(t + 1)) + (1 - momentum(t)) * g / (1 - product)
        w = w - rate * ahead / (np.sqrt(v / (1 - beta_2**t)) + epsilon)
        g = yield w


def ftrl(w, rate, power=-0.5, initial=0.1, l1=0.0, l2=0.0, shrinkage=0.0, beta=0.0):
    # McMahan et al. 2013, algorithm 1, solved coordinate by coordinate; Keras: l2 counts twice.
    n, z = np.full_like(w, initial), np.zeros_like(w)
    g = yield
    while True:
        sigma = ((n + g**2) ** -power - n**-power) / rate
        z = z + g + 2 * shrinkage * w - sigma * w
        n = n + g**2
        curvature = n**-power / rate + 2 * (l2 + beta / (2 * rate))
        w = np.where(np.abs(z) > l1, (np.sign(z) * l1 - z) / curvature, 0.0)
        g = yield w


def adafactor(w, rate, decay=-0.8, epsilon_1=1e-30, epsilon_2=1e-3, threshold=1.0):
    # Shazeer and Stern 2018, algorithms 4 (matrices) and 5 (vectors), with relative steps.
    rows, columns, v, t = 0.0, 0.0, np.zeros_like(w), 0

    def rms(x):
        return np.sqrt(np.mean(x**2))

    g = yield
    while True:
        t += 1
        scale = max(epsilon_2, rms(w)) * min(rate, 1 / np.sqrt(t))
        beta = 1 - t**decay
        square = g**2 + epsilon_1
        if w.ndim == 2:
            rows = beta * rows + (1 - beta) * square.mean(axis=1)
            columns = beta * columns + (1 - beta) * square.mean(axis=0)
            v = np.outer(rows, columns) / rows.mean()
        else:
            v = beta * v + (1 - beta) * square
        u = g / np.sqrt(v)
        w = w - scale * u / max(1.0, rms(u) / threshold)
        g = yield w


def lion(w, rate, beta_1=0.9, beta_2=0.99):
    # Chen et al. 2023, algorithm 2.
    m = np.zeros_like(w)
    g = yield
    while True:
        w = w - rate * np.sign(beta_1 * m + (1 - beta_1) * g)
        m = beta_2 * m + (1 - beta_2) * g
        g = yield w


def lamb(w, rate, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    # You et al. 2020, algorithm 2, phi the identity and no decay.
    m, v, t = np.zeros_like(w), np.zeros_like(w), 0
    g = yield
    while True:
        t += 1
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        step = m / (1 - beta_1**t) / (np.sqrt(v / (1 - beta_2**t)) + epsilon)
        w = w - rate * np.linalg.norm(w) / np.linalg.norm(step) * step
        g = yield w


def muon(w, rate, momentum=0.95, coefficients=(3.4445, -4.775, 2.0315), rms=0.2, decay=0.004):
    # Jordan 2024; scale and decay: Liu et al. 2025, equation 4. The Newton-Schulz iteration is a polynomial
    # of the singular values, which an SVD applies directly.
    a, b, c = coefficients
    m = np.zeros_like(w)
    g = yield
    while True:
        w = w - rate * decay * w
        m = momentum * m + g
        ahead = g + momentum * m
        left, s, right = np.linalg.svd(ahead, full_matrices=False)
        s = s / np.linalg.norm(ahead)
        for _ in range(5):
            s = a * s + b * s**3 + c * s**5
        w = w - rate * rms * np.sqrt(max(w.shape)) * (left * s) @ right
        g = yield w


def schedule_free_adamw(w, rate, beta_1=0.9, beta_2=0.999, epsilon=1e-8, warmup=0, decay=0.0):
    # Defazio et al. 2024, algorithm 1, with its three sequences kept: z steps, x averages, y is where the
    # gradient is taken, and what the model holds. Keras: the bias correction stands under the root, and so is
    # no part of the rate that weighs the average.
    x, y, z, v, t, total = w, w, w, np.zeros_like(w), 0, 0.0
    g = yield
    while True:
        t += 1
        gamma = rate * (min(1.0, t / warmup) if warmup else 1.0)
        v = beta_2 * v + (1 - beta_2) * g**2
        z = z - gamma * (g / (np.sqrt(v / (1 - beta_2**t)) + epsilon) + decay * y)
        total += gamma**2
        x = x + gamma**2 / total * (z - x)
        y = (1 - beta_1) * z + beta_1 * x
        g = yield y


def radam(w, rate, beta_1=0.9, beta_2=0.999, epsilon=1e-7, threshold=4.0):
    # Liu et al. 2020, algorithm 2; epsilon where Adam has it.
    m, v, t = np.zeros_like(w), np.zeros_like(w), 0
    end = 2 / (1 - beta_2) - 1
    g = yield
    while True:
        t += 1
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        mean = m / (1 - beta_1**t)
        rho = end - 2 * t * beta_2**t / (1 - beta_2**t)
        if rho > threshold:
            length = np.sqrt(1 - beta_2**t) / (np.sqrt(v) + epsilon)
            r = np.sqrt((rho - 4) * (rho - 2) * end / ((end - 4) * (end - 2) * rho))
            w = w - rate * r * mean * length
        else:
            w = w - rate * mean
        g = yield w


def lookahead(w, inner, period, share, *args, **kwargs):
    # Zhang et al. 2019, algorithm 1; the inner rule goes on from where the slow weights put it.
    slow, offset, count = w, 0.0, 0
    fast = inner(w, *args, **kwargs)
    next(fast)
    g = yield
    while True:
        # None of the rules used inside depends on the weights, so moving them is adding an offset.
        w = fast.send(g) + offset
        count += 1
        if count % period == 0:
            slow = slow + share * (w - slow)
            offset = offset + slow - w
            w = slow
        g = yield w


def lazy_adam(w, rate, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    # Adam row by row; a gradient is a dict of rows, those of one index already summed.
    m, v, t = np.zeros_like(w), np.zeros_like(w), 0
    gradient = yield
    while True:
        t += 1
        w = w.copy()
        for row, g in gradient.items():
            m[row] = beta_1 * m[row] + (1 - beta_1) * g
            v[row] = beta_2 * v[row] + (1 - beta_2) * g**2
            w[row] -= rate * np.sqrt(1 - beta_2**t) / (1 - beta_1**t) * m[row] / (np.sqrt(v[row]) + epsilon)
        gradient = yield w
