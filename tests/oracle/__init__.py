"""The truth, slowly: plain Python restatements of the contract, sharing no code with the package."""
