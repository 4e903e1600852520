"""A language model that can be queried: conversion, checkpoint, batching engine, vocabulary."""
