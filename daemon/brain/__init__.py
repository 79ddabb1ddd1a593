"""What plays the model: anthropic.py or embedded.py, behind the Protocol in handlers/contract.py."""
