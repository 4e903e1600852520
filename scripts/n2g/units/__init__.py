"""Latents of sparse autoencoders and transcoders: files of many makers read into one kind of encoder."""
