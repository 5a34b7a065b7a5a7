"""What a model is asked to do: examples in, typed predictions and scores out."""
