"""What a neuron's weights say without any text."""
