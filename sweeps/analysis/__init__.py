"""What a study's numbers support, as numbers, sentences, tables and pictures."""
