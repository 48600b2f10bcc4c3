"""Texts to prompts to tokens: templates, chat, chunks, truncation."""
