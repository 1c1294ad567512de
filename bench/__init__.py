"""The benchmarks: ratios against bare clients and peers, measured in the same run."""
