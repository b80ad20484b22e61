"""What networks are trained and judged with: data, models, tasks, the training loop, studies.

The product (formats, networks, quantisation, compiler, devices) does not need it, but for recipes
that train.
"""
