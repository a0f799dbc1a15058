"""Augmentations of the training batches, one component a file; several are chosen at once: augment=[random_flip,mixup].

In: a batch and a seed, which is a function of (seed, epoch, step). Out: the changed batch, of the same shapes. All draws are stateless, so
a resumed run, another trainer or several devices see the same batches. Begin with `_sequence`, which a trainer calls for each batch.
"""
