"""Make the models: distil, export, quantise. Nobody needs it to run or to measure."""
