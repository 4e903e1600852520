"""What a neuron's weights alone show, without any text."""
