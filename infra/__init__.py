"""The deployment: CDK constructs, one per capability, composed by thin stacks. Runs at synth only."""
