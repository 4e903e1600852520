"""What a neuron's weights show without any text."""
