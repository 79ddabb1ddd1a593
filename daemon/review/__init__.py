"""What a person does with a held draft."""
