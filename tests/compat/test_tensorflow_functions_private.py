"""A traced function called by its definition gives what it gave, under a name of its own."""

from __future__ import annotations

import tensorflow as tf

from trainrun.compat import tensorflow_functions_private as functions


def test_a_definition_computes_what_the_traced_function_does():
    total = tf.Variable(0.0)

    @tf.function(input_signature=[tf.TensorSpec([], tf.int32)])
    def count(n):
        for _ in tf.range(n):
            total.assign_add(2.0)
        return total + 1.0

    concrete = count.get_concrete_function()
    name, library = functions.definitions(concrete, "test_")
    assert all(function.signature.name.startswith("test_") for function in library.function)
    functions.define(functions.parsed(library.SerializeToString()))
    functions.define(library)  # once more: it is there
    inputs = [tf.constant(3), *(outside for outside, _ in concrete.graph.captures)]
    assert [float(value) for value in functions.call(name, inputs, 1)] == [7.0]
    assert float(total) == 6.0 and float(count(tf.constant(1))) == 9.0


def test_operations_with_side_effects_are_known_by_their_definitions():
    names = {"MatMul", "AssignVariableOp", "EagerPyFunc", "RandomUniform", "WriteFile", "NoSuchOperation"}
    assert functions.stateful(names) == names - {"MatMul"}
