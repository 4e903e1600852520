"""A language model as something to ask: conversion, checkpoint, batching engine, vocabulary."""
