"""What Snakemake and the stages' programs share: configuration, digests of the code, jobs, command-line options."""
